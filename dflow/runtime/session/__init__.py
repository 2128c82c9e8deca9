"""What the user's program holds: sessions, their plans and fetches, the handle of a loop."""
