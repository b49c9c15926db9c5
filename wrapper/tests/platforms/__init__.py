"""What other systems do differently, on fakes of them: files, signals, consoles, sockets."""
