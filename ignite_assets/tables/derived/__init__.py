"""Assets made of captures alone, over trailing windows: who was last seen when, who joined, who is new. No Dagster.

`row` says what a derived asset is, `table` lists them all, each in a module of its own; `derivation` computes them,
out of core, with DuckDB. Whatever days a window lacks, the rows say so in `coverage`.
"""
