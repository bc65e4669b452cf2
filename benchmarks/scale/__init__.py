"""What hundreds of websites and days cost Dagster's daemon, code server and webserver: `python -m benchmarks.scale`."""
