"""Tools that one would use instead, each in an environment of its own: a folder here with its `requirements.txt`."""
