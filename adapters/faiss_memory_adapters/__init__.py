"""The assistants that FAISS Memory speaks to, one file each."""
