"""The runs of `ignite-assets materialize`: planned, and executed by worker processes."""
