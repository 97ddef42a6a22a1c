"""The database itself: the embedded server, connections, migrations."""
