"""docs/: what is made from the code is up to date, what is shown runs, what is named is there."""
