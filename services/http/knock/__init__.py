"""Knock's dialect: its paths, payloads and errors, translated to and from the ledger's own words."""
