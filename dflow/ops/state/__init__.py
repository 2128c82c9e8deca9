"""Variables: their creation, names, reuse, initial values, and assignment."""
