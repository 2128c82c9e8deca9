"""Every time-out and wait of the runtime, in seconds, and what each one bounds.

Waits for several of them add up:

* To open a session takes at most `SCHEDULER_ANSWER`, then `FIRST_WORKER`.
* To open a connection takes at most `CONNECT`, then `SOCKET_CONNECT` and `SECRET_ANSWER` if sockets are tried.
* To close a session takes at most `LOOPS_END`, `STOP_GRACE` if a run has not ended, and `STATE_KEPT`.

A run has no time-out of its own: it ends at its deadline, or when a process that it needs has ended.
"""

# Opening a session, and finding devices.
SCHEDULER_ANSWER = 30.0  # the scheduler answers, if the session has no limit; Dask's own time to connect
FIRST_WORKER = 30.0  # the first worker joins
DEVICES_DECLARED = 15.0  # all workers declare their devices, for a caller that wants to see all
DEVICES_LOOK = 0.02  # between two looks for that
WORKER_LOOK = 0.02  # between two looks of a run for the devices of its workers; doubled each time,
WORKER_LONGEST_LOOK = 0.5  # up to this
DEVICES_AGAIN = 0.5  # until the scheduler asks a worker again that did not answer
DEATH_HEARD = 3.0  # the scheduler hears of the death that ended a connection
ACTOR = 10.0  # the Dask actor of a queue, a reader or a container is made

# Connections between processes.
CONNECT = 10.0  # a connection to a worker opens; tried again while the worker is known but shows no sign of life
REFUSED = 0.5  # until the first check whether any process listens, if a connection does not open; doubled each time
SOCKET_CONNECT = 0.5  # a socket to the offered port opens: the other system answers, not the process
SECRET_ANSWER = 5.0  # the process at the other end of a socket, which may be busy, proves that it knows the secret

# Runs.
STOP_GRACE = 0.5  # a stopped loop learns whether the elements that it sent are in the queue; a cancelled step
# acknowledges its deliveries.  The process of the queue may stand still
LOG_SLOW_AFTER = 5.0  # until the log names the processes that a run waits for
SILENT_ANSWER = 0.5  # a worker that a run waits for answers, before the log calls it silent
SILENT_AGAIN = 60.0  # at most, between two such pings during one wait
STALL_ANSWER = 0.3  # the other processes list the attempts on their queues, for the error of a deadline
UNBEGUN_ANSWER = 0.3  # the scheduler and the workers say which Dask tasks run, for the log and the error of a deadline
STALL = 30.0  # a queue stands still, until a coordinator reports it

# Closing a session.
LOOPS_END = 1.0  # the session's loops end
STATE_KEPT = 1.0  # the scheduler learns which shared state a session leaves behind
CLIENT_CLOSED = 1.0  # a call notices that another thread has closed its Dask client
