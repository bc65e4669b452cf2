"""The variants: ways to get from a request to a closed Parquet file. Each module has `run(task)`.

Whatever a module imports stands at its top, so that it is imported before anything is timed.
"""
