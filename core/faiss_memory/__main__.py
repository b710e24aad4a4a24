"""`python -m faiss_memory`: the command line."""

from faiss_memory.cli import main

main()
