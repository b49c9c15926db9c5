"""What the library does, in no colour: each flow decides, and yields what is to be done."""
