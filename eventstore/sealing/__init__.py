"""Proof that the ledger is unchanged: seals, their verification, and proofs for single events."""
