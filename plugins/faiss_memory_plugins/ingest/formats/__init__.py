"""The ways to read a file: each cuts a text of one kind into parts."""
