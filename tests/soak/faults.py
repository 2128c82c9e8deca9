"""What happens to a pipeline: each fault is done to a run at a random moment, and says what may follow."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dflow as df
from tests.soak.account import EVERYTHING, MAPPER, SECOND, TRAINING
from tests.soak.pipeline import cut_connections

if TYPE_CHECKING:
    from tests.soak.run import Run

PS, WORKER0, WORKER1 = "/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1"


@dataclass(frozen=True)
class Fault:
    """do: does it to a run.  may_miss: so many elements may be gone with what it ends.

    ends: the names of errors with which the pipeline may end; "well" if it may come to its end all the same.
    may_miss_well: so many may be gone then, if not as many.
    ends_unseen: further errors, if it comes before any session has seen the devices of the cluster: a worker that is
    gone before that is as one that was never there.
    needs_new_cluster: nothing is to be expected of this cluster afterwards.
    """

    name: str
    do: Callable[[Run, random.Random], None]
    may_miss: int
    ends: tuple[str, ...]
    needs_new_cluster: bool = False
    may_miss_well: int | None = None
    ends_unseen: tuple[str, ...] = ()

    def misses(self, ended: str) -> int:
        return self.may_miss if ended != "well" or self.may_miss_well is None else self.may_miss_well


LOST = ("UnavailableError", "AbortedError")
NO_DEVICE = ("InvalidArgumentError",)


def _nothing(run: Run, random: random.Random) -> None:
    pass


def _kill_worker(name: str) -> Callable[[Run, random.Random], None]:
    def kill(run: Run, random: random.Random) -> None:
        run.cluster.kill_worker(name)

    return kill


def _kill_scheduler(run: Run, random: random.Random) -> None:
    run.process_of("scheduler").kill()


def _stop_and_go(run: Run, random: random.Random) -> None:
    process = run.process_of(random.choice(["scheduler", PS, WORKER0, WORKER1, "pipeline", "second"]))
    process.suspend()
    time.sleep(random.choice([0.1, 0.5, 2.0]))
    process.resume()


def _cut(run: Run, random: random.Random) -> None:
    who = random.choice([PS, WORKER0, WORKER1, "pipeline"])
    if who == "pipeline":
        run.pipeline.signal(signal.SIGUSR2)
    else:
        run.look.client.run(_cut_here, workers=[run.look.address(who)])


def _cut_here(dask_worker: Any) -> int:
    return cut_connections(dask_worker.plugins["dflow"].process)


def _cut_second(run: Run, random: random.Random) -> None:
    run.second.signal(signal.SIGUSR2)


def _close_queue(run: Run, random: random.Random) -> None:
    """Another session closes a queue of the pipeline, and what waits there is cancelled."""
    with run.other_session() as (session, raw, shuffled):
        session.run(random.choice([raw, shuffled]).close(cancel_pending_enqueues=True))


def _reset(run: Run, random: random.Random) -> None:
    df.Session.reset(run.cluster.scheduler_address, [run.container])


def _third(run: Run, random: random.Random) -> None:
    """A third client comes, and is killed while it takes elements."""
    third = run.start_second()
    time.sleep(random.random())
    third.kill()


def _restart(run: Run, random: random.Random) -> None:
    run.look.client.restart(timeout=60)


def _signal(who: str, number: signal.Signals) -> Callable[[Run, random.Random], None]:
    def send(run: Run, random: random.Random) -> None:
        getattr(run, who).signal(number)

    return send


STOPPED = ("well", "CancelledError", "RuntimeError")
FAULTS = [
    Fault("nothing", _nothing, 0, ("well",)),
    Fault("kill worker 0", _kill_worker(WORKER0), TRAINING, LOST, ends_unseen=NO_DEVICE),
    # Nobody needs worker 1 any more when the mapper has come to its end.
    Fault(
        "kill worker 1",
        _kill_worker(WORKER1),
        MAPPER + TRAINING,
        (*LOST, "well"),
        may_miss_well=0,
        ends_unseen=NO_DEVICE,
    ),
    Fault("kill ps", _kill_worker(PS), EVERYTHING, LOST, ends_unseen=NO_DEVICE),
    Fault("kill scheduler", _kill_scheduler, EVERYTHING, LOST, needs_new_cluster=True),
    Fault("kill pipeline", _signal("pipeline", signal.SIGKILL), EVERYTHING, ("killed",)),
    Fault("kill second", _signal("second", signal.SIGKILL), SECOND, ("well",)),
    Fault("stop and go", _stop_and_go, 0, ("well",)),
    Fault("cut", _cut, MAPPER + TRAINING + SECOND, (*LOST, "well")),
    Fault("cut second", _cut_second, SECOND, ("well",)),
    Fault("Ctrl-C", _signal("pipeline", signal.SIGINT), MAPPER + TRAINING, ("KeyboardInterrupt", *STOPPED)),
    Fault("close session", _signal("pipeline", signal.SIGUSR1), MAPPER + TRAINING, STOPPED),
    Fault("close queue", _close_queue, MAPPER, ("well", "CancelledError")),
    Fault("reset", _reset, EVERYTHING, ("AbortedError", "CancelledError", "FailedPreconditionError")),
    Fault("third client", _third, SECOND, ("well",)),
    Fault("restart", _restart, EVERYTHING, (*LOST, "CancelledError"), ends_unseen=NO_DEVICE),
]
