"""How relevance is judged: its constants made again, and the curve of what is shown in vain against what is found."""
