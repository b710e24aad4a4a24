"""Snapshots and the log: what a state can be restored from."""
