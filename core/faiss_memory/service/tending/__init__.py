"""Looking after memories: what there is of each kind, what is alike, stale or used, and putting it in order."""
