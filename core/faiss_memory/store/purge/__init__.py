"""Taking memories out of every file, and proving it."""
