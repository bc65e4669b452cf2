"""dlt, in two ways: resources that yield Arrow tables, and its own `rest_api` source."""
