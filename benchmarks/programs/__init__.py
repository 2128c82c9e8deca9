"""The programs that are measured, written once: `tf` is dflow, or TensorFlow's `tensorflow.compat.v1`.

Each function builds its graphs and sessions and gives, by the name of the case, what takes one sample.
"""

PS, WORKERS = "/job:ps/task:0/cpu:0", ("/job:worker/task:0/cpu:0", "/job:worker/task:1/cpu:0")
CPU = "/cpu:0"
