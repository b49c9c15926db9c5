"""Records what a server answers, without secrets, and plays it again on the mock's clock."""
