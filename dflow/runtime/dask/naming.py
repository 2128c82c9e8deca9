"""The names of the devices of workers.

A worker gets its devices when it joins.  The names are kept, and a worker that comes back gets the same ones.

* A worker named `/job:ps/task:0` is that task.
* Any other worker with a GPU is one GPU of a task of the job `worker`; the GPU workers of one host are one task.
* Any other worker without a GPU is a task of the job `worker`.

Every worker has a CPU device too: CPU k beside GPU k, CPU 0 otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dflow.devices import DeviceSpec, device_name

DEFAULT_JOB = "worker"


@dataclass(frozen=True, slots=True)
class Applicant:
    """A worker that asks for its devices."""

    name: str  # see `worker_name`
    host: str
    gpu: int | None = None  # the number of its own GPU, as the driver counts; None: no GPU
    virtual_gpus: int = 0  # GPUs that its CPU stands in for


@dataclass
class DeviceNames:
    """The device names in use, and the workers that have them."""

    tasks: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)  # (kind, name or host) -> job, task
    given: dict[str, str] = field(default_factory=dict)  # device -> the name of its worker

    def join(self, worker: Applicant) -> list[str]:
        """Give a worker its devices, the CPU first; the same ones to a worker that comes back.

        ValueError if another worker has one of them.
        """
        earlier = [device for device, name in self.given.items() if name == worker.name]
        devices = earlier or self._new(worker)
        for device in devices:
            other = self.given.setdefault(device, worker.name)
            if other != worker.name:
                for own in [d for d in devices if self.given.get(d) == worker.name]:
                    del self.given[own]
                raise ValueError(
                    f"worker {worker.name!r} claims {device}, which worker {other!r} has already; start it under "
                    "another --name"
                )
        return devices

    def expected(self, workers: Iterable[tuple[str, str]]) -> list[list[str]]:
        """The devices that workers, by name and host, would get if they joined in this order; [] for a refused one.

        It changes nothing.  It is a guess: the number of their GPUs is not known before they join.
        """
        names = DeviceNames(dict(self.tasks), dict(self.given))
        return [names._guess(name, host) for name, host in workers]

    def _guess(self, name: str, host: str) -> list[str]:
        beside_gpus = ("host", host) in self.tasks
        try:
            return self.join(Applicant(name, host, 0 if beside_gpus and _claimed_task(name) is None else None))
        except ValueError:
            return []

    def _new(self, worker: Applicant) -> list[str]:
        claimed = _claimed_task(worker.name)
        if claimed is not None:
            job, task = claimed
            return [*self._one_worker(job, task, worker)]
        if worker.gpu is not None:
            job, task = self._task_of("host", worker.host)
            index = self._free_gpu(job, task, worker.gpu)
            return [device_name(job, task, "CPU", index), device_name(job, task, "GPU", index)]
        job, task = self._task_of("worker", worker.name)
        return self._one_worker(job, task, worker)

    def _one_worker(self, job: str, task: int, worker: Applicant) -> list[str]:
        gpus = 1 if worker.gpu is not None else worker.virtual_gpus
        return [device_name(job, task, "CPU", 0), *(device_name(job, task, "GPU", i) for i in range(gpus))]

    def _task_of(self, kind: str, name: str) -> tuple[str, int]:
        key = (kind, name)
        if key not in self.tasks:
            used = {task for job, task in self.tasks.values() if job == DEFAULT_JOB}
            used |= {s.task or 0 for s in map(DeviceSpec.from_string, self.given) if s.job == DEFAULT_JOB}
            self.tasks[key] = (DEFAULT_JOB, next(i for i in range(len(used) + 1) if i not in used))
        return self.tasks[key]

    def _free_gpu(self, job: str, task: int, wanted: int) -> int:
        """The driver's number of the GPU, if it is free; else the next free one."""
        if device_name(job, task, "GPU", wanted) not in self.given:
            return wanted
        return next(i for i in range(len(self.given) + 1) if device_name(job, task, "GPU", i) not in self.given)


def worker_name(name: object, address: str, nanny: object) -> str:
    """The name that a worker was started with, else its Nanny's address, which stays the same after a restart."""
    return str(nanny or address) if name == address else str(name)


def _claimed_task(name: str) -> tuple[str, int] | None:
    """The job and the task in the name of a worker; None if it names none."""
    if not name.startswith("/job:"):
        return None
    spec = DeviceSpec.from_string(name)
    return spec.job or DEFAULT_JOB, spec.task or 0
