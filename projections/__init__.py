"""What the events mean to people: progress, status, reports and history, folded from the ledger."""
