"""A TensorFlow 1 cluster of 1 ps and 2 workers: this file as a module, and as the program of each task.

A task is a process with a server.  Each line on a worker's standard input starts the loop of a CSV pipeline there, in
a session of the worker's own server.  The end of its input ends a task.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

JOBS = {"ps": 1, "worker": 2}


class Cluster:
    """The tasks; target: the address of the first worker's server."""

    def __init__(self) -> None:
        addresses = {job: [f"127.0.0.1:{free_port()}" for _ in range(tasks)] for job, tasks in JOBS.items()}
        self.target = f"grpc://{addresses['worker'][0]}"
        self.tasks = {
            (job, task): subprocess.Popen(
                [sys.executable, __file__, json.dumps(addresses), job, str(task)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for job, tasks in JOBS.items()
            for task in range(tasks)
        }
        for name in self.tasks:
            self._wait_for(name)

    def _wait_for(self, name: tuple[str, int]) -> None:
        out = self.tasks[name].stdout
        if out is None or out.readline() != "ready\n":
            raise RuntimeError(f"task {name} ended")

    def start_loops(self, files: Sequence[str], step: int) -> None:
        for name, process in self.tasks.items():
            if name[0] == "worker":
                print(json.dumps([list(files), step]), file=process.stdin, flush=True)
                self._wait_for(name)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    import tensorflow.compat.v1 as tf
    from programs import PS, WORKERS, csv_pipeline

    tf.disable_v2_behavior()
    addresses, job, task = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    server = tf.train.Server(tf.train.ClusterSpec(addresses), job_name=job, task_index=task)
    print("ready", flush=True)
    sessions = []
    for line in sys.stdin:
        files, step = json.loads(line)
        graph = tf.Graph()
        with graph.as_default():
            csv_pipeline(tf, files, step, PS, [WORKERS[task]])
            sess = tf.Session(server.target, graph=graph)
            tf.train.start_queue_runners(sess)
        sessions.append(sess)
        print("ready", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
