"""Metrics that grow from batch to batch: local variables, the value of the metric, and the operation that updates it.

A function of a metric gives `(value, update_op)`: the value so far, and the value after this batch is counted, too.
`metrics_collections` and `updates_collections` are the collections that these two are added to.
"""
