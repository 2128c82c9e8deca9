"""The checks for a machine with a GPU: `make test-gpu`.  `run.py` is the way in; docs/gpu.md has the report."""
