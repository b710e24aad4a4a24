"""Secrets in what is to be stored: which texts are some, and how they are kept out."""
