"""Loops: where they run, what they do themselves in place of their plan, and their bodies for many records at once."""
