"""Members of a team, their tokens and rights, and the log of what was done."""
