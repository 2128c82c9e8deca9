"""Queues, readers and containers, shared by threads.  Knows no step."""
