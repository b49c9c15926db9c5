"""Reading source specs: pages, YAML, the lock file, earlier revisions."""
