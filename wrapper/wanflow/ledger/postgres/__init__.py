"""A ledger in a PostgreSQL database, for several machines. It needs the extra `queue`."""
