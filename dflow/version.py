"""The version of dflow."""

__version__ = "0.1.0"
