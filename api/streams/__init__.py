"""The ledger as a stream of server-sent events: one reader of the database, any number of listeners."""
