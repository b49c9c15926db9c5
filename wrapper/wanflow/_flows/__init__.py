"""The library's operations as flows: generators that decide, and yield effects; no I/O."""
