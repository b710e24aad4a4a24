"""The plugins that come with FAISS Memory."""
