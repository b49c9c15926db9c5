"""What to do with a finding: explain it, send its requests again, or keep it as a test."""
