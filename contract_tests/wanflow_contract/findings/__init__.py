"""Failed checks as data: recorded once, compared between runs."""
