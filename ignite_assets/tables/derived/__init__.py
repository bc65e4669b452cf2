"""Assets made of captures alone, over trailing windows: who was last seen when, who joined, who is new. No Dagster.

`row` says what a derived asset is; each has a module of its own, and `tables.registry` lists them. `inputs` says what
one is made from and when it is stale; `derivation` computes it, out of core, with DuckDB. The column `coverage` says
whether a window lacks days.
"""
