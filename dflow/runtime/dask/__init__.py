"""dflow's side of Dask: plugins, tasks and actors, and the calls of methods that Dask does not document.

Knows steps, devices and channels.  Knows no `Session`, and of loops only that a task runs one.
"""
