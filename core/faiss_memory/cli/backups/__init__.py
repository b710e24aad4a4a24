"""Commands about backups, restores and the verification of the files."""
