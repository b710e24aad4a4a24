"""Shares memories by a folder of the repository: `.memory/`, a Markdown file for each."""
