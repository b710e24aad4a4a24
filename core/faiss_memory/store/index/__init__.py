"""What answers searches, derived from the records: vectors, keywords, texts."""
