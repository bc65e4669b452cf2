"""Pages of a website's day, one for its dealer and one for operations, and one of all websites.

`figures` reads the numbers from the lake, `maps` draws the map, `page` puts them together, `overview` lists websites.
"""
