"""Loops: a plan run again and again next to its devices, with a source, a body and a sink.

Knows steps, queues and readers.  Knows no `Session`, no channel and no Dask.
"""
