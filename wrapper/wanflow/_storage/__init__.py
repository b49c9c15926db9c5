"""Downloaded files: written to a part file, renamed when complete, resumed after a failure."""
