"""Pure rules: what a task, a problem, a subtask and an event are, and what may follow from what.

Nothing here reads a file, a clock or a random source; ids and times are passed in.
"""
