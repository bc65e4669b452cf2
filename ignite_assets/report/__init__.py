"""A page of one website's day, for people who never open Dagster: its numbers, charts and map.

`figures` reads the numbers from the lake, `charts` and `maps` draw them, `page` puts them together.
"""
