"""Sparse tensors: made, ordered, cut and joined, reduced, multiplied, turned into dense ones and into text."""
