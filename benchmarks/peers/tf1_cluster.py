"""A TensorFlow 1 cluster of 1 ps and 2 workers.  This file is both the module and the program of each task.

A task is a process with a server.  Each line on the standard input of a worker names a function of a module in this
folder, and its arguments.  The worker calls it with TensorFlow, the server, the number of the task and the arguments,
and writes the result to its standard output.  A task ends when its input ends.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from typing import Any

JOBS = {"ps": 1, "worker": 2}


class Cluster:
    """The processes of all tasks.  target: the address of the first worker's server."""

    def __init__(self) -> None:
        addresses = {job: [f"127.0.0.1:{free_port()}" for _ in range(tasks)] for job, tasks in JOBS.items()}
        self.target = f"grpc://{addresses['worker'][0]}"
        self._tasks = {
            (job, task): subprocess.Popen(
                [sys.executable, __file__, json.dumps(addresses), job, str(task)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for job, tasks in JOBS.items()
            for task in range(tasks)
        }
        for job, task in self._tasks:
            self._answer(job, task)

    def call(self, calls: list[tuple[int, str, list[Any]]]) -> list[Any]:
        """Call functions on workers, all at the same time, and return their results.

        calls: tuples of (worker, "module.function", arguments).
        """
        for worker, function, arguments in calls:
            print(json.dumps([function, arguments]), file=self._tasks["worker", worker].stdin, flush=True)
        return [self._answer("worker", worker) for worker, _, _ in calls]

    def _answer(self, job: str, task: int) -> Any:
        out = self._tasks[job, task].stdout
        line = out.readline() if out is not None else ""
        if not line:
            raise RuntimeError(f"task {task} of the job {job} ended")
        return json.loads(line)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    addresses, job, task = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    server = tf.train.Server(tf.train.ClusterSpec(addresses), job_name=job, task_index=task)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        function, arguments = json.loads(line)
        module, _, name = function.rpartition(".")
        found = getattr(importlib.import_module(module), name)(tf, server, task, *arguments)
        print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
