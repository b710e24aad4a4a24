"""Members of a team: where they are kept, and what the database keeps out of their sight."""
