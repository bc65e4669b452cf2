"""What lands: endpoints' snapshots, derived tables, and what can be said of each partition. Imports no Dagster."""
