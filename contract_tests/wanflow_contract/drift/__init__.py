"""Where the spec, the mock and a server disagree, and which of the three is alone."""
