"""The assets: captured, derived, exported and reported."""
