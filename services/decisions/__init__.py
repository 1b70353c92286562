"""The decision log: which answers a node gave, kept in files of its own, found by id and re-run from the ledger."""
