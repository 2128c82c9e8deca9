"""Checks of values, shapes and dtypes, while the graph is built and at run time; and printing."""
