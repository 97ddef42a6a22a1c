"""Whether today's code makes of a recorded task's input what was recorded."""
