"""`wanflow contract`: run the suite, and work with its findings."""
