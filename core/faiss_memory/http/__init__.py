"""HTTP: routes, who is let in, the server."""
