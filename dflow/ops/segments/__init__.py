"""Rows of a tensor reduced together: those of a segment, which have one segment number."""
