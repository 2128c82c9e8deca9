"""Pooling: the largest value or the mean of the windows of an image."""
