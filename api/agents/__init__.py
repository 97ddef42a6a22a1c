"""What coding agents read in a repository, and how it gets there."""
