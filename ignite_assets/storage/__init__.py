"""The lake: staging, committing and reading partitions, and SQL over them."""
