"""Steps over several devices, run by their owner, and the state of one process (`Process`).

Knows device executors, channels and the names of sessions.  Knows no `Session`, no iterations of loops and no Dask.
"""
