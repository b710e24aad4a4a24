"""Reads the memories of other programs."""
