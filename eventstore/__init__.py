"""The ledger on Postgres: append, read, migrations, and the embedded server."""
