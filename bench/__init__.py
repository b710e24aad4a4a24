"""Measurements of the running service; `make bench` runs them all."""

from faiss_memory.settings import prepare_process

prepare_process()  # what is measured in this process takes as many threads as in the service
