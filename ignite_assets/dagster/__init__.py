"""Everything that imports Dagster: definitions, assets, checks, and what starts runs."""
