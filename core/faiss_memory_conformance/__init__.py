"""Checks that an adapter or a store, ours or somebody else's, keeps what people rely on.

pytest --faiss-memory-adapter NAME
pytest --faiss-memory-store NAME
"""
