"""A training that goes on from its last checkpoint after a worker was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PS, W0, quick_cluster

WORKER0 = "/job:worker/task:0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(nanny=True) as cluster:
        cluster.wait_for_workers()
        yield cluster


class Killer(df.train.SessionRunHook):
    """Kills a worker with SIGKILL after so many runs, and counts the sessions."""

    def __init__(self, cluster: EmbeddedCluster, runs: int) -> None:
        self._cluster = cluster
        self._left = runs
        self.sessions = 0

    def after_create_session(self, session: df.Session, coord: df.train.Coordinator) -> None:
        self.sessions += 1

    def after_run(self, run_context: df.train.SessionRunContext, run_values: df.train.SessionRunValues) -> None:
        self._left -= 1
        if self._left == 0:
            self._cluster.kill_worker(WORKER0)


def test_a_training_goes_on_from_its_last_checkpoint_after_a_worker_was_killed(
    cluster: EmbeddedCluster, tmp_path: Path
) -> None:
    """The weights are on the killed worker.  What came after the checkpoint is done again, and all steps count once."""
    with df.Graph().as_default():
        with df.device(PS):
            step = df.train.create_global_step()
        with df.device(W0):
            total = df.Variable(0.0, name="total")
            epoch = df.Variable(5.0, name="epoch", collections=[df.GraphKeys.LOCAL_VARIABLES])
            numbers = df.train.range_input_producer(10, shuffle=False)
            with df.control_dependencies([numbers.dequeue(), epoch.read_value()]):
                add = total.assign_add(1.0)
        with df.control_dependencies([add]):
            train = step.assign_add(1)
        killer = Killer(cluster, runs=5)
        hooks = [df.train.StopAtStepHook(last_step=9), killer]
        seen = []
        with df.train.MonitoredTrainingSession(
            cluster.scheduler_address, checkpoint_dir=str(tmp_path), save_checkpoint_steps=3, hooks=hooks
        ) as sess:
            while not sess.should_stop():
                seen.append(int(sess.run(train)))
    assert seen == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9]
    assert killer.sessions == 2
    assert df.train.load_variable(str(tmp_path), "total") == 9.0
