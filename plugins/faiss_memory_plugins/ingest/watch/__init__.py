"""Watches: folders that are built again, by themselves, when something in them changes."""
