"""A Dask cluster of real processes on this machine, for as long as a `with` block lasts.

Why not `dask.distributed.LocalCluster`: its children get the terminal's Ctrl-C, so that a program cannot end its loops
before its workers go; it names workers 0, 1, 2; and all of them get the same environment.  Here every process is a
plain `dask scheduler` or `dask worker` command, so a program needs no other code for a real cluster.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from dflow.cluster.process import GuardedProcess, child_environment
from dflow.cluster.scheduler import dashboard_link, identity
from dflow.errors import DeadlineExceededError, UnavailableError

SCHEDULER = "scheduler"  # the scheduler's name among the processes
LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05
TAIL_LINES = 20  # of a log, in an error
EVENTS_KEPT = "1 minute"  # how long the scheduler keeps its events of a client that is gone; Dask: an hour
DEATH_TIMEOUT = 60  # seconds that a worker waits for a scheduler before it gives up


class EmbeddedCluster:
    """A scheduler and one worker process per task, on the loopback interface, with ports of the system's choice.

    ps, workers: how many tasks of the jobs "ps" and "worker"; task i of job j is the worker named "/job:j/task:i".
    virtual_gpus: how many virtual GPUs each task of the job "worker" has; they are CPU devices in truth.
    dashboard_address: "host:port"; an empty host is the loopback interface, port 0 any free port.
    nthreads: Dask threads a worker; None shares this machine's processors out, at least one each.
    nanny: whether each worker has a Nanny, which starts it again when it dies.
    worker_dashboards: whether each worker has a dashboard of its own too; without, a worker starts in half the time.
    timeout: seconds for the start, None waits for ever.
    grace: seconds that the processes get to end by themselves in `close`.

    The constructor blocks until all workers are there.  It raises UnavailableError, with the end of its log, if a
    process ends early, and DeadlineExceededError at the time-out; nothing is left then.
    All processes end with this one, also if that gets SIGKILL, and leave no files.

    processes: by name, "scheduler" and the workers' names.
    scheduler_address: such as "tcp://127.0.0.1:8786".
    dashboard_link: the address of the scheduler's dashboard, ending in /status; "" without a dashboard.
    """

    def __init__(
        self,
        ps: int = 1,
        workers: int = 2,
        virtual_gpus: int = 1,
        dashboard_address: str = f"{LOOPBACK}:0",
        *,
        nthreads: int | None = None,
        nanny: bool = True,
        worker_dashboards: bool = True,
        timeout: float | None = 60.0,
        grace: float = 5.0,
    ) -> None:
        tasks = [f"/job:ps/task:{i}" for i in range(ps)] + [f"/job:worker/task:{i}" for i in range(workers)]
        share = max(1, len(tasks))
        self.processes: dict[str, GuardedProcess] = {}
        self.scheduler_address = self.dashboard_link = ""
        self._virtual_gpus = virtual_gpus
        self._nthreads = nthreads or max(1, (os.cpu_count() or 1) // share)
        self._memory_limit = f"{1 / share:.4f}"  # a fraction of this machine's memory
        self._nanny = nanny
        self._worker_dashboards = worker_dashboards
        self._grace = grace
        self._lost: set[str] = set()  # local directories of the workers that `kill_worker` killed
        self._folder = Path(tempfile.mkdtemp(prefix="dflow-"))
        self._finalizer = weakref.finalize(self, _close, self.processes, self._folder, grace, os.getpid())
        try:
            self._start(tasks, dashboard_address, timeout)
        except BaseException:
            self.close(grace=0)
            raise

    def _start(self, tasks: list[str], dashboard_address: str, timeout: float | None) -> None:
        """Start all processes at once: the workers wait for the file in which the scheduler writes its address."""
        started = time.monotonic()
        dashboard = LOOPBACK + dashboard_address if dashboard_address.startswith(":") else dashboard_address
        command = ["--host", LOOPBACK, "--port", "0", "--protocol", "tcp", "--dashboard-address", dashboard]
        self.run(SCHEDULER, ["scheduler", *command, "--scheduler-file", str(self.scheduler_file)])
        for name in tasks:
            self.start_worker(name)
        self._wait_until(self._read_scheduler_file, timeout, lambda: f"no address in {self.scheduler_file}")
        left = None if timeout is None else timeout - (time.monotonic() - started)
        self.wait_for_workers(left)

    @property
    def scheduler_file(self) -> Path:
        """The file in which the scheduler writes its address, for the option `--scheduler-file` of `dask worker`."""
        return self._folder / "scheduler.json"

    def _read_scheduler_file(self) -> bool:
        try:
            description = json.loads(self.scheduler_file.read_text())
        except (OSError, ValueError):  # not there yet, or half written
            return False
        self.scheduler_address = description["address"]
        self.dashboard_link = dashboard_link(self.scheduler_address, description)
        return True

    def start_worker(self, name: str, *, virtual_gpus: int | None = None) -> None:
        """Start a worker, such as "/job:worker/task:2" or one that `kill_worker` ended.

        `virtual_gpus` is by default the cluster's for the job "worker", and 0 for any other.
        Does not wait for it: `wait_for_workers` does.  Raises ValueError if a worker of this name runs.
        """
        running = self.processes.get(name)
        if running is not None and running.poll() is None:
            raise ValueError(f"a worker named {name!r} runs already")
        if virtual_gpus is None:
            virtual_gpus = self._virtual_gpus if name.startswith("/job:worker/") else 0
        command = ["worker", "--scheduler-file", str(self.scheduler_file), "--name", name]
        command += ["--host", LOOPBACK, "--dashboard-address", f"{LOOPBACK}:0", "--death-timeout", str(DEATH_TIMEOUT)]
        command += ["--nthreads", str(self._nthreads), "--memory-limit", self._memory_limit]
        command += ["--nanny" if self._nanny else "--no-nanny", "--local-directory", str(self._folder)]
        command += [] if self._worker_dashboards else ["--no-dashboard"]
        self.run(name, command, virtual_gpus)

    def run(self, name: str, command: list[str], virtual_gpus: int = 0) -> None:
        """Start `dask <command>` as the process `name`, such as a worker with options that `start_worker` lacks.

        Raises UnavailableError if the cluster is closed.
        """
        if not self._finalizer.alive:
            raise UnavailableError(None, None, "this cluster is closed")
        env = child_environment(PYTHONUNBUFFERED="1")
        for library in ("OMP", "OPENBLAS", "MKL"):
            env.setdefault(f"{library}_NUM_THREADS", "1")  # the workers share the processors
        env.setdefault("DASK_DISTRIBUTED__SCHEDULER__EVENTS_CLEANUP_DELAY", EVENTS_KEPT)
        env.pop("DASK_DFLOW__VIRTUAL_GPUS", None)
        if virtual_gpus:
            env["DASK_DFLOW__VIRTUAL_GPUS"] = str(virtual_gpus)
        if name == SCHEDULER:
            env["DASK_TEMPORARY_DIRECTORY"] = str(self._folder)  # for want of an option like --local-directory
        with self.log_file(name).open("ab") as log:
            # -P: modules in the current folder are not importable, as for the command `dask` itself.
            self.processes[name] = GuardedProcess(
                [sys.executable, "-P", "-m", "dask", *command],
                folder=self._folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log_file(self, name: str) -> Path:
        """The file with the output of a process; it exists until `close`."""
        return self._folder / (re.sub(r"[^\w.-]+", "-", name).strip("-") + ".log")

    def wait_for_workers(self, timeout: float | None = 60.0) -> None:
        """Block until every worker that was started is at the scheduler, also those that their Nanny starts again.

        `timeout` is in seconds, None waits for ever.
        Raises DeadlineExceededError at the time-out, UnavailableError if a process has ended by itself.
        """
        self._wait_until(lambda: not self._missing(), timeout, lambda: f"missing: {', '.join(self._missing())}")

    def _missing(self) -> list[str]:
        connected = {worker["name"] for worker in self._workers() if worker["local_directory"] not in self._lost}
        return sorted(self.processes.keys() - connected - {SCHEDULER})

    def _workers(self) -> list[dict[str, Any]]:
        try:
            return list(identity(self.scheduler_address)["workers"].values())
        except OSError as error:
            raise UnavailableError(
                None, None, f"no answer from the scheduler: {error}\n{self._tail(SCHEDULER)}"
            ) from error

    def _wait_until(self, done: Callable[[], bool], timeout: float | None, state: Callable[[], str]) -> None:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            for name, process in self.processes.items():
                if (code := process.poll()) is not None:
                    raise UnavailableError(None, None, f"{name} ended with exit code {code}.\n{self._tail(name)}")
            if done():
                return
            if time.monotonic() > deadline:
                raise DeadlineExceededError(
                    None, None, f"the cluster was not ready after {timeout:.0f} s, {state()}.\n{self._tail(SCHEDULER)}"
                )
            time.sleep(POLL_SECONDS)

    def _tail(self, name: str) -> str:
        lines = self.log_file(name).read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([f"The end of its log ({name}):", *lines])

    def kill_worker(self, name: str) -> None:
        """End a worker's process at once (SIGKILL), as a crash would.  Its Nanny, if it has one, starts it again.

        Blocks until the process is gone; the scheduler notices a few milliseconds later.
        Raises ValueError if no such worker runs.
        """
        if name == SCHEDULER or name not in self.processes:
            raise ValueError(f"no worker is named {name!r}; there are {sorted(self.processes.keys() - {SCHEDULER})}")
        self._lost |= {worker["local_directory"] for worker in self._workers() if worker["name"] == name}
        process = self.worker_process(name)
        process.kill()
        if self._nanny:
            psutil.wait_procs([process], timeout=self._grace)
        else:
            self.processes.pop(name).close()

    def worker_process(self, name: str) -> psutil.Process:
        """The process in which a worker runs, below its guard and its Nanny.  Raises ValueError if it does not run."""
        guarded: list[psutil.Process] = psutil.Process(self.processes[name].pid).children()
        if self._nanny and guarded:  # another child of the Nanny is a helper of Python's `multiprocessing`
            guarded = [p for p in guarded[0].children() if "resource_tracker" not in " ".join(p.cmdline())]
        if not guarded:
            raise ValueError(f"the process of {name!r} does not run")
        return guarded[0]

    def close(self, grace: float | None = None) -> None:
        """End all processes and remove their files.  Blocks until all is gone; a second call does nothing.

        `grace`: seconds before the processes that still run are killed, None is the constructor's.
        """
        if self._finalizer.detach():
            _close(self.processes, self._folder, self._grace if grace is None else grace, os.getpid())

    def __enter__(self) -> EmbeddedCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<EmbeddedCluster {self.scheduler_address or 'not started'}: {', '.join(self.processes)}>"


def _close(processes: dict[str, GuardedProcess], folder: Path, grace: float, owner: int) -> None:
    """End the workers first, all at once, so that they do not look for their scheduler."""
    if os.getpid() != owner:  # a copy that `os.fork` made
        return
    deadline = time.monotonic() + grace
    scheduler = [processes[SCHEDULER]] if SCHEDULER in processes else []
    workers = [process for name, process in processes.items() if name != SCHEDULER]
    try:
        for group in (workers, scheduler):
            for process in group:
                process.terminate() if grace > 0 else process.kill()
            for process in group:
                process.close(deadline - time.monotonic())
    finally:
        for process in processes.values():
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
