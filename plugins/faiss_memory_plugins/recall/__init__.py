"""Memories come by themselves: an assistant's hooks are answered with what helps, or with nothing."""
