"""The mocked service, without sockets: tasks, accounts, limits, prices and faults."""
