"""One device: its programs, its parts of steps, its executor.  Knows no connection."""
