"""Random programs with queues, whose lines must give the same on TensorFlow, on dflow, and on dflow on a cluster.

`make fuzz-graphs` makes an environment with TensorFlow and tries programs for ten minutes.
"""
