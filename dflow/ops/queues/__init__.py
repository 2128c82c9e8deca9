"""Queues in a graph: the class of each kind, their base class, and the operations on them.

The algorithm of a queue is in `dflow/machines/queue`.
"""
