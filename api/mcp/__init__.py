"""The work loop as tools of the Model Context Protocol."""
