"""Everything that imports Dagster: definitions, assets, checks, schedules and sensors."""
