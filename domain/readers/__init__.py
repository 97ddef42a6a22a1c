"""Readers of tool output: raw bytes in, problems out, one tool a file."""
