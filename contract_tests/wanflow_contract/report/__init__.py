"""What a run found, in each form that a reader or a tool wants."""
