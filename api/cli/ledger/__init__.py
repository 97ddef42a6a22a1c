"""`pw ledger`: prove, seal and move what the ledger holds; one command a file."""
