"""Loops: their driver, prefetch, pipelined enqueues, and their bodies for many records at once."""
