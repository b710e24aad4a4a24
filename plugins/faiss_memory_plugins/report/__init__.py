"""How a store is: what it finds, what it shows without being asked, and what is in it that should not be."""
