"""What a guest may bring or be handed: stores, embedders, routes, mounts, hooks, files."""
