"""Programs that do the work of a subtask themselves."""
