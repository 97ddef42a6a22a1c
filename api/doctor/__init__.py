"""Looks at what a machine has of what Parallel Workers needs."""
