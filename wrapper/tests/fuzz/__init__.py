"""Fuzzing of all that reads bytes of others: `make fuzz`, and its seeds in the tests."""
