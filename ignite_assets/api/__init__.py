"""The Ignite platform: the table of its endpoints, its rules, its client.

Nothing here imports Dagster, and a test holds that. Read in this order: `endpoints` (the one table),
`errors`, `horizon` (which dates may be asked for), `protocol` (requests and answers as values),
`tables` (answers as Arrow), `client` (which opens the sockets; outside of here only `notify` does).
"""
