"""The Ignite platform: the table of its endpoints, its rules, its client.

Nothing here imports Dagster, and a test holds that. Read in this order: `table` and `endpoints` (the one table),
`errors`, `horizon` (which dates may be asked for), `protocol` (requests and answers as values), `arrow` (answers as
Arrow), `client` (which opens the sockets, through `wire`).
"""
