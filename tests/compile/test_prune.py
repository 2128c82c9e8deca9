"""Pruning keeps what the fetches need, and nothing else."""

from __future__ import annotations

import dflow as df
from dflow.compile.prune import prune


def kept(fetches: list[df.Tensor | df.Operation], feeds: list[df.Tensor] | None = None) -> list[str]:
    return [op.name for op in prune(fetches, feeds or []).ops]


def test_data_and_control_inputs_are_kept_in_the_order_of_their_creation() -> None:
    a = df.constant(1.0, name="a")
    first = df.identity(a, name="first")
    df.identity(a, name="unused")
    with df.control_dependencies([first]):
        last = df.negative(a, name="last")
    assert kept([last]) == ["a", "first", "last"]


def test_what_only_leads_to_a_fed_tensor_is_left_out() -> None:
    a = df.identity(df.constant(1.0, name="a"), name="b")
    c = df.negative(a, name="c")
    assert kept([c], [a]) == ["c"]


def test_a_fed_tensor_that_is_fetched_needs_nothing() -> None:
    a = df.constant(1.0, name="a")
    assert kept([a], [a]) == []


def test_the_operation_of_a_fed_tensor_runs_if_someone_waits_for_it() -> None:
    a = df.identity(df.constant(1.0, name="a"), name="b")
    with df.control_dependencies([a.op]):
        c = df.constant(2.0, name="c")
    assert kept([a + df.identity(c, name="d")], [a]) == ["a", "b", "c", "d", "add"]


def test_the_operation_of_a_fed_tensor_runs_if_another_output_of_it_is_needed() -> None:
    first, second = df.unstack(df.constant([1.0, 2.0], name="both"), name="parts")
    assert kept([df.add(first, second, name="sum")], [first]) == ["both", "parts", "sum"]


def test_an_operation_may_be_fetched_by_itself_and_twice() -> None:
    op = df.no_op(name="nothing")
    assert kept([op, op]) == ["nothing"]


def test_fetches_and_feeds_keep_their_order() -> None:
    a, b = df.constant(1.0), df.constant(2.0)
    needed = prune([b, a], [b, a])
    assert needed.fetches == (b, a)
    assert needed.feeds == (b, a)
