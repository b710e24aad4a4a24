"""The command `faiss-memory doctor`: whether the service and each assistant's way to it work, tried for real."""
