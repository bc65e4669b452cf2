"""One website's day as a page for people who never open Dagster: its numbers, their charts, the page. No Dagster.

`figures` reads the numbers from the lake, `charts` and `maps` draw them, `page` puts them together.
"""
