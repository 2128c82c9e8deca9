"""Running plans: device hosts, what carries steps and tensors between processes, sessions, loops.

The one folder that talks to distributed.  A device host (`host.py`) is the one executor; whoever wants a step run, a
session or a loop, is its owner (`step.py`); `process.py` is what one process knows of hosts, steps and other processes.
"""
