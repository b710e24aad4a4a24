"""The page at `/`: static files that ask the public API."""
