"""The checks of the suite on exchanges that happen anyway: they send nothing, and cost nothing."""
