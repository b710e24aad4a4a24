"""From nothing to a recalled note in one command."""
