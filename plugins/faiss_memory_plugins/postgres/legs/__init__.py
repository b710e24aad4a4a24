"""The two legs of a search."""
