"""A step over several devices, as its owner sees it.  Knows no session."""
