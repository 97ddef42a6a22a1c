"""The ledger as a stream of server-sent events."""
