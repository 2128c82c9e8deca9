"""The readers: one algorithm for all formats, its saved state, and what files and formats raise.

The formats are in `readers/`.
"""
