"""What every correct server does, as pure functions over exchanges."""
