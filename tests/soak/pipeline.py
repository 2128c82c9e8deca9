"""The pipeline of a soak: files, a reader, a queue, a mapper between processes, a shuffle queue, a training loop.

It writes JSON lines: {"ready": true} when it handles signals, {"trained": [ids]} for each step, and at its end
{"ended": how, "error": text}.

    files -> reader on worker 0 -> raw (ps) -> mapper on worker 1 -> shuffled (ps) -> training on worker 0
"""

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

import dflow as df

PS, W0, W1 = "/job:ps/task:0/cpu:0", "/job:worker/task:0/cpu:0", "/job:worker/task:1/cpu:0"
BATCH = 8
CAPACITY = 40


def say(**words: object) -> None:
    os.write(1, (json.dumps(words) + "\n").encode())


def raw_queue() -> df.FIFOQueue:
    with df.device(PS):
        return df.FIFOQueue(CAPACITY, [df.int64], shapes=[[]], shared_name="raw", name="raw")


def shuffled_queue() -> df.RandomShuffleQueue:
    with df.device(PS):
        return df.RandomShuffleQueue(
            CAPACITY, BATCH, [df.int64], shapes=[[]], seed=1, shared_name="shuffled", name="shuffled"
        )


def build(files: list[str]) -> Any:
    """The graph; gives what a training step fetches."""
    raw, shuffled = raw_queue(), shuffled_queue()
    with df.device(W0):
        names = df.train.string_input_producer(files, num_epochs=1, shuffle=False)
        _, line = df.TextLineReader().read(names)
        (number,) = df.decode_csv(line, [df.constant([], df.int64)])
    df.train.add_queue_runner(df.train.QueueRunner(raw, [raw.enqueue([number])]))
    taken = raw.dequeue()
    with df.device(W1):
        mapped = df.identity(taken) + 0
    df.train.add_queue_runner(df.train.QueueRunner(shuffled, [shuffled.enqueue([mapped])]))
    batch = shuffled.dequeue_up_to(BATCH)
    with df.device(W0):
        weight = df.Variable(0.0, name="weight")
        loss = df.square(weight - df.reduce_mean(df.cast(batch, df.float32)) / 1000)
        train = df.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=[weight])
        with df.control_dependencies([train]):
            return df.identity(batch)


def run(target: str, container: str, files: list[str], session_made: Any) -> None:
    with df.container(container):
        ids = build(files)
    session = session_made(df.Session(target))
    with session, df.train.Coordinator() as coord:
        session.run([df.global_variables_initializer(), df.local_variables_initializer()])
        df.train.start_queue_runners(session, coord)
        loop = session.repeat(ids, every=1)
        try:
            for _, batch in loop:
                say(trained=batch.tolist())
        finally:  # after Ctrl-C: what it had trained with, and nobody has read
            loop.stop()
            with suppress(df.errors.OpError):
                for _, batch in loop:
                    say(trained=batch.tolist())


def main(target: str, container: str, *files: str) -> None:
    """SIGINT is Ctrl-C, SIGUSR1 closes the session from another thread, SIGUSR2 cuts its connections."""
    sessions: list[df.Session] = []

    def made(session: df.Session) -> df.Session:
        sessions.append(session)
        return session

    def close(*_: object) -> None:
        for session in sessions:
            threading.Thread(target=session.close).start()

    def cut(*_: object) -> None:
        for session in sessions:
            cut_connections(session.backend.process)  # type: ignore[attr-defined]

    signal.signal(signal.SIGUSR1, close)
    signal.signal(signal.SIGUSR2, cut)
    say(ready=True)
    try:
        run(target, container, list(files), made)
    except KeyboardInterrupt:
        say(ended="KeyboardInterrupt", error="")
    except Exception as error:
        say(ended=type(error).__name__, error=str(error))
    else:
        say(ended="well", error="")


def cut_connections(process: Any) -> int:
    """Cut all connections of a process of dflow, as a network would; gives how many."""
    channels = process.channels()
    for channel in channels:
        channel.cut()
    return len(channels)


if __name__ == "__main__":
    main(*sys.argv[1:])
