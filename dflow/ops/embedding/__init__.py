"""Rows of large tables looked up by their numbers, from tables that may be cut into parts."""
