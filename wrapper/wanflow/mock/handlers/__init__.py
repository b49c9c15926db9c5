"""What answers the requests of the API and for files."""
