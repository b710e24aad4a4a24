"""Comparing every file with every other, and mending what is damaged."""
