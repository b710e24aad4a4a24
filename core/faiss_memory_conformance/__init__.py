"""Checks that an adapter, ours or somebody else's, keeps what its assistant's people rely on.

pytest --faiss-memory-adapter NAME
"""
