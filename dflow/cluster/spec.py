"""The jobs of a cluster, and the addresses of their tasks.

    ClusterSpec({"ps": ["ps0:2222", "ps1:2222"], "worker": {0: "w0:2222", 3: "w3:2222"}})

Source: tf.train.ClusterSpec, tf.train.ClusterDef of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class JobDef:
    """A job as a plain record.  tasks: addresses by index."""

    name: str
    tasks: dict[int, str] = field(default_factory=dict)


@dataclass
class ClusterDef:
    """A cluster as a plain record, as `ClusterSpec.as_cluster_def` gives and `ClusterSpec` takes it."""

    job: list[JobDef] = field(default_factory=list)


class ClusterSpec:
    """The tasks of each job and their addresses.

    cluster: a dict from each job's name to a list of addresses, or to a dict from task indices to addresses; another
    ClusterSpec; or a ClusterDef.  TypeError for anything else, ValueError for an index that is no integer.
    Two specs are equal if they have the same jobs, tasks and addresses; one without jobs is falsy.
    """

    def __init__(self, cluster: Any) -> None:
        self._jobs: dict[str, dict[int, str]] = {}
        for name, tasks in _jobs_of(cluster):
            self._jobs[_text(name, "Job name")] = _tasks(name, tasks)

    def as_dict(self) -> dict[str, list[str] | dict[int, str]]:
        """Addresses by job: a list for a job whose tasks are 0 to n - 1, else a dict (an empty one too)."""
        return {name: _dense(tasks) for name, tasks in self._jobs.items()}

    def as_cluster_def(self) -> ClusterDef:
        """The same as a plain record, the jobs sorted."""
        return ClusterDef([JobDef(name, dict(self._jobs[name])) for name in sorted(self._jobs)])

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs, in the order in which they were given."""
        return list(self._jobs)

    def num_tasks(self, job_name: str) -> int:
        """How many tasks a job has; ValueError for an unknown job."""
        return len(self._job(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        """The indices of a job's tasks, sorted; ValueError for an unknown job."""
        return sorted(self._job(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """The address of a task; ValueError for an unknown job or task."""
        tasks = self._job(job_name)
        if task_index not in tasks:
            raise ValueError(f"No task with index {task_index!r} in job {job_name!r}; it has {sorted(tasks)}")
        return tasks[task_index]

    def job_tasks(self, job_name: str) -> list[str | None]:
        """The addresses of a job by index, None where an index has no task; ValueError for an unknown job."""
        tasks = self._job(job_name)
        return [tasks.get(index) for index in range(max(tasks, default=-1) + 1)]

    def _job(self, name: str) -> dict[int, str]:
        if name not in self._jobs:
            raise ValueError(f"No such job in cluster: {name!r}; it has {sorted(self._jobs)}")
        return self._jobs[name]

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __eq__(self, other: object) -> bool:
        return self._jobs == other._jobs if isinstance(other, ClusterSpec) else NotImplemented

    def __repr__(self) -> str:
        jobs = self.as_dict()
        return f"ClusterSpec({ ({name: jobs[name] for name in sorted(jobs)})!r})"


def _jobs_of(cluster: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(cluster, ClusterSpec):
        return cluster._jobs.items()
    if isinstance(cluster, ClusterDef):
        return [(job.name, job.tasks) for job in cluster.job]
    if isinstance(cluster, Mapping):
        return cluster.items()
    if hasattr(cluster, "as_dict"):
        return _jobs_of(cluster.as_dict())
    raise TypeError(
        "`cluster` must be a dictionary mapping one or more job names to lists of network addresses, "
        f"a ClusterSpec or a ClusterDef, got {cluster!r}"
    )


def _tasks(job: Any, tasks: Any) -> dict[int, str]:
    if isinstance(tasks, Mapping):
        pairs: Iterable[tuple[Any, Any]] = tasks.items()
    elif isinstance(tasks, (list, tuple)):
        pairs = enumerate(tasks)
    else:
        raise TypeError(f"The tasks for job {job!r} must be a list or a dictionary from integers to strings.")
    return {int(index): _text(address, "Task address") for index, address in pairs}


def _text(value: Any, what: str) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return value
    raise TypeError(f"{what} {value!r} must be bytes or unicode")


def _dense(tasks: dict[int, str]) -> list[str] | dict[int, str]:
    indices = sorted(tasks)
    if indices and indices == list(range(len(indices))):
        return [tasks[index] for index in indices]
    return {index: tasks[index] for index in indices}
