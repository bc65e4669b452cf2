"""Pages of a website's day, one for its dealer and one for operations.

`figures` reads the numbers from the lake, `maps` draws the map, `page` puts them together.
"""
