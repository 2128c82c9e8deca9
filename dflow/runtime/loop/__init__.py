"""A plan run again and again next to its devices."""
