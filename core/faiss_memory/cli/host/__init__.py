"""Commands about the program on this machine."""
