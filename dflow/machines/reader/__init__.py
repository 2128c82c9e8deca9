"""The readers: one algorithm for all formats, its saved state, and the errors of files and formats.

The formats are in `readers/`.
"""
