"""The lake: one store, partitions as they are staged, committed and read, and SQL over them. Imports no Dagster."""
