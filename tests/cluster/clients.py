"""A program that starts client processes quickly: it imports dflow once, and forks for each client.

It reads programs, one JSON text a line, and writes lines "pid words".  A program is run with the names `df`, `target`
(the cluster's address), `queue` (a shared queue) and `say` (writes a line).
"""

import json
import os
import signal
import sys
import traceback

import distributed  # noqa: F401

import dflow as df
import dflow.runtime.session.cluster

PS = "/job:ps/task:0/cpu:0"


def say(*words: object) -> None:
    os.write(1, f"{os.getpid()} {' '.join(map(str, words))}\n".encode())


def queue(name: str, device: str = PS, capacity: int = 100) -> df.FIFOQueue:
    with df.device(device):
        return df.FIFOQueue(capacity, ["float32"], shapes=[[]], shared_name=name)


def main(target: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            say("started")
            try:
                exec(json.loads(line), {"df": df, "target": target, "queue": queue, "say": say})
            except BaseException as error:
                say("raised", type(error).__name__, str(error).replace("\n", " "))
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
