"""The outermost layer: the `pw` command, the coordinator of a run, and the runner of its workers."""
