"""The mechanism: a store and an embedder joined."""
