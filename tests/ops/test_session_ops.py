"""Tensors that a session keeps: `get_session_handle`, `get_session_tensor`, `delete_session_tensor`."""

from __future__ import annotations

import gc

import pytest

import dflow as df
from dflow.ops import session_ops


def test_a_tensor_is_kept_between_runs_under_its_handle() -> None:
    x = df.placeholder(df.float32, [2])
    keep = df.get_session_handle(x * 2.0)
    with df.Session() as sess:
        handle, total = sess.run([keep, df.reduce_sum(x)], {x: [1.0, 2.0]})
        assert (total, handle.eval().tolist(), handle.to_numpy_array().tolist()) == (3.0, [2.0, 4.0], [2.0, 4.0])
        holder, again = df.get_session_tensor(handle.handle, df.float32)
        assert sess.run(again + 1.0, {holder: handle.handle}).tolist() == [3.0, 5.0]
        assert sess.run(x + 1.0, {x: handle}).tolist() == [3.0, 5.0]
        handle.delete()
        with pytest.raises(df.errors.InvalidArgumentError, match="is not in the session store"):
            sess.run(again, {holder: handle.handle})
    with pytest.raises(TypeError, match="must be of type Tensor"):
        df.get_session_handle(1.0)


def test_a_raw_handle_is_deleted_by_an_operation() -> None:
    keep = df.get_session_handle(df.constant(1.0))
    with df.Session() as sess:
        raw = sess.run(keep).get_raw_handle()
        holder, delete = df.delete_session_tensor(raw)
        sess.run(delete, {holder: raw})
        with pytest.raises(df.errors.InvalidArgumentError):
            sess.run(delete, {holder: raw})


def test_tensors_whose_handles_the_program_drops_do_not_pile_up() -> None:
    start = df.get_session_handle(df.constant(0))
    with df.Session() as sess:
        handle = sess.run(start)
        holder, value = df.get_session_tensor(handle.handle, df.int32)
        after = df.get_session_handle(value + 1)
        first = handle.get_raw_handle()
        for _ in range(5 * session_ops.MANY):
            handle = sess.run(after, {holder: handle.handle})
        gc.collect()
        assert handle.eval() == 5 * session_ops.MANY
        assert len(sess._dead_handles) <= session_ops.MANY
        assert sess.run(value, {holder: first}) == 0  # a raw handle is kept
