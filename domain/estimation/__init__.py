"""How long work will take: a model that is a fold of the ledger, its reasons, and the end of a whole task.

Nothing here reads a clock or a random source; numpy is loaded by `simulation` and `eta` only, so that estimates and
the fold cost no import.
"""
