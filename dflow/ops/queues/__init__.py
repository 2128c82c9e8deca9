"""Queues in a graph: the class of each kind, what all have in common, and the operations on them.

What a queue does is in `dflow/machines/queue`.
"""
