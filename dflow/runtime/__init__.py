"""The runtime runs plans: device executors, channels between processes, steps, loops and sessions.

It does not make plans: `dflow/compile` does.  These are its packages from the bottom up; each one imports only those
before it:

    base        ids, attempts and their answers, deadlines, errors, settings
    threads     the pool of threads of a process, and its limits of threads and memory
    transport   messages between processes: connections, encryption, calls
    resources   queues, readers and containers, shared by threads
    device      one device: its programs, its parts of steps, its executor
    step        steps over several devices, and the process with its devices, channels and steps
    loop        loops: plans that run again and again next to their devices
    dispatch    the handling of each message in a process
    dask        plugins, tasks and actors of Dask, and the uses of undocumented parts of Dask
    session     the objects of the user's program: sessions, plans, fetches, the handle of a loop
"""
