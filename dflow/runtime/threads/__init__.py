"""Threads that run what others start, and what they share.  Knows no message and no device."""
