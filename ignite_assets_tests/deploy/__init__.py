"""deploy/: the services of the Compose file, run as processes, and the values for Helm, judged by Dagster's schemas."""
