"""What can be decided without acting: no clock, no socket, no file, no chance in here."""
