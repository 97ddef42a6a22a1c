"""Moving events in and out of a ledger: export, import, archive."""
