"""Whether a text is news, and what tells it apart from what is stored."""
