"""The `pw` command: one verb a file."""
