"""Checkpoints on a cluster: the tasks that hold the variables write and read the files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PS, W0, quick_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


def _process(*values: object) -> np.ndarray:
    """The process that computes it."""
    return np.array(os.getpid())


@pytest.mark.parametrize("sharded", [False, True])
def test_variables_of_two_tasks_are_saved_and_restored(cluster: EmbeddedCluster, tmp_path: Path, sharded: bool) -> None:
    with df.container(f"checkpoints-{sharded}"):
        with df.device(PS):
            a = df.Variable([1.0, 2.0], name="a")
            pid = df.py_func(_process, [], df.int64)
        with df.device(W0):
            b = df.Variable([b"x"], name="b")
    saver = df.train.Saver(sharded=sharded)
    changed = df.group(a.assign([0.0, 0.0]), b.assign([b""]))
    with df.Session(cluster.scheduler_address) as sess:
        sess.run(df.global_variables_initializer())
        assert sess.run(pid) != os.getpid()
        path = saver.save(sess, f"{tmp_path}/m", global_step=1)
        sess.run(changed)
        saver.restore(sess, path or "")
        assert [it.tolist() for it in sess.run([a, b])] == [[1.0, 2.0], [b"x"]]
    assert len(list(tmp_path.glob("m-1.data-*"))) == 1 + sharded
    assert not list(tmp_path.glob("*temp*"))
    saves = [op.device for op in df.get_default_graph().get_operations() if op.type == "SaveV2"]
    tasks = ["/job:ps/task:0/device:CPU:0", "/job:worker/task:0/device:CPU:0"]
    assert saves == (tasks if sharded else [""])


def test_a_variable_that_is_not_in_the_checkpoint_is_named(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    with df.container("missing"), df.device(PS):
        a, b = df.Variable(1.0, name="a"), df.Variable(2.0, name="b")
    saver = df.train.Saver({"other": b})
    with df.Session(cluster.scheduler_address) as sess:
        sess.run(df.global_variables_initializer())
        path = df.train.Saver([a]).save(sess, f"{tmp_path}/m")
        with pytest.raises(df.errors.NotFoundError, match="Key other not found in checkpoint"):
            saver.restore(sess, path or "")
