"""Readers: one file a format.  They use dflow's public extension API only."""

if __name__ != "dflow.readers":
    raise ImportError(f"this package is 'dflow.readers'; you imported it as {__name__!r}")

from dflow.readers.csv import decode_csv
from dflow.readers.text import TextLineReader

__all__ = ["TextLineReader", "decode_csv"]
