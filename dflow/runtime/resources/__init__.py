"""Queues, readers and containers, shared by threads.

It knows attempts with their answers, and the names of sessions and operations.  It must not know a step.
"""
