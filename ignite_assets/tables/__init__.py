"""The contents of partitions: snapshots of endpoints, derived tables, and their checks."""
