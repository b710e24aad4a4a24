"""The records: the one database that is true, and the operations that change it."""
