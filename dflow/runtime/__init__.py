"""Running plans: devices, what carries steps and tensors between processes, sessions, loops.

From the bottom up; each package imports only those before it:

    base        ids, answers, deadlines, errors, settings
    threads     threads that run what others start
    transport   messages between processes: connections, encryption, calls
    resources   queues, readers and containers, shared by threads
    device      one device: its programs, its parts of steps, its executor
    step        what one process knows of devices, steps and other processes; a step, as its owner sees it
    loop        a plan run again and again next to its devices
    dispatch    what a process does with each message
    dask        plugins, tasks and actors of Dask, and what Dask does not document
    session     what the user's program holds: sessions, plans, fetches, the handle of a loop
"""
