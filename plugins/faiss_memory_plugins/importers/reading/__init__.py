"""How what other programs have written is read, of whichever program it is."""
