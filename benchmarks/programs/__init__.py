"""The measured programs, written once for two systems: `tf` is dflow or TensorFlow's `tensorflow.compat.v1`.

A program builds its graphs and sessions and returns, for each case, a function that takes one sample.
"""

PS, WORKERS = "/job:ps/task:0/cpu:0", ("/job:worker/task:0/cpu:0", "/job:worker/task:1/cpu:0")
CPU = "/cpu:0"
