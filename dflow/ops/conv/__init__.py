"""Convolutions in one to three dimensions, their gradients, and what is made of them."""
