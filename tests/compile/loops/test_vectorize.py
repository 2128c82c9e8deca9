"""Loop batching: which loops it rewrites, and into what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.compile.loops.vectorize import NotVectorizedError, VectorizedBody, vectorized_body
from tests.compile.helpers import compiled, cpu, names


def listing(compute: Any, components: int = 1) -> tuple[Any, Any]:
    """The enqueue of a loop that reads a line, and the read; `compute(key, value)` gives the element."""
    files = df.FIFOQueue(10, [df.string], shapes=[[]], name="files")
    queue = df.FIFOQueue(10, [df.float32] * components, shapes=[[]] * components, name="records")
    key, value = df.TextLineReader(name="reader").read(files, name="read")
    return queue.enqueue(compute(key, value), name="enqueue"), value


def kinds(body: VectorizedBody) -> list[str]:
    return [instruction.op.kind for instruction in body.line.instructions]


def parsed(value: Any) -> Any:
    return df.decode_csv(value, [[0.0], [0.0]])


def test_a_loop_that_reads_decodes_and_enqueues_is_rewritten() -> None:
    enqueue, _ = listing(lambda key, value: parsed(value)[0] * 2.0)
    body = vectorized_body(compiled(enqueue))
    assert body is not None
    assert body.read.op.name == "read"
    assert body.enqueue.op.name == "enqueue"
    assert kinds(body) == ["DecodeCSV", "Mul"]
    assert body.line.device == cpu(0)


def test_each_slot_of_the_line_is_filled_once_before_it_is_read() -> None:
    enqueue, _ = listing(lambda key, value: [parsed(value)[1] + 1.0, df.square(parsed(value)[0])], components=2)
    body = vectorized_body(compiled(enqueue))
    assert body is not None
    filled = {slot for slot, _ in body.line.literals} | set(body.read.outputs)
    for instruction in body.line.instructions:
        assert filled.issuperset(instruction.inputs)
        assert filled.isdisjoint(instruction.outputs)
        filled.update(instruction.outputs)
    assert filled.issuperset(body.enqueue.inputs)
    assert all(slot < body.line.slots for slot in filled)


def test_a_constant_component_is_a_literal() -> None:
    enqueue, _ = listing(lambda key, value: [parsed(value)[0], 7.0], components=2)
    body = vectorized_body(compiled(enqueue))
    assert body is not None
    literals = dict(body.line.literals)
    np.testing.assert_array_equal(literals[body.enqueue.inputs[1]], np.float32(7.0))


def test_a_group_around_the_enqueue_changes_nothing() -> None:
    enqueue, _ = listing(lambda key, value: parsed(value)[0])
    body = vectorized_body(compiled(df.group(enqueue)))
    assert body is not None
    assert kinds(body) == ["DecodeCSV"]


def test_a_loop_without_a_read_or_without_an_enqueue_is_left_alone() -> None:
    enqueue, value = listing(lambda key, value: parsed(value)[0])
    assert vectorized_body(compiled(value.op)) is None
    assert vectorized_body(compiled(df.constant(1.0).op)) is None
    queue = df.FIFOQueue(10, [df.float32])
    assert vectorized_body(compiled(queue.enqueue(1.0))) is None
    assert vectorized_body(compiled([enqueue, queue.enqueue(1.0)])) is None


def test_a_loop_whose_values_are_fetched_is_left_alone() -> None:
    enqueue, value = listing(lambda key, value: parsed(value)[0])
    assert vectorized_body(compiled([enqueue, value])) is None


def test_a_body_with_a_feed_is_left_alone() -> None:
    enqueue, value = listing(lambda key, value: parsed(value)[0])
    assert vectorized_body(compiled(enqueue, [value])) is None


@pytest.mark.parametrize(
    ("what", "compute"),
    [
        ("'count/AssignAdd.*has state", lambda key, value: parsed(value)[0] + _counted()),
        ("'script' .PyFunc. has state", lambda key, value: df.py_func(float, [value], df.float32, name="script")),
        (
            "'noise' .RandomStandardNormal. has state",
            lambda key, value: parsed(value)[0] + df.random_normal([], name="noise"),
        ),
    ],
)
def test_what_has_state_keeps_a_loop_record_by_record(what: str, compute: Any) -> None:
    enqueue, _ = listing(compute)
    with pytest.raises(NotVectorizedError, match=what):
        vectorized_body(compiled(enqueue))


def _counted() -> Any:
    count = df.Variable(0.0, name="count")
    return df.assign_add(count, 1.0, name="count/AssignAdd")


def _without_rule(x: Any) -> Any:
    return df.gradients(df.reduce_prod(df.stack([x, x])), x)[0]  # a gradient's own operations have none


def test_what_has_no_batch_rule_keeps_a_loop_record_by_record() -> None:
    enqueue, _ = listing(lambda key, value: _without_rule(parsed(value)[0]))
    with pytest.raises(NotVectorizedError, match="has no rule for many records at once"):
        vectorized_body(compiled(enqueue))


def test_what_is_the_same_for_all_records_needs_no_batch_rule() -> None:
    enqueue, _ = listing(lambda key, value: parsed(value)[0] * _without_rule(df.constant(3.0)))
    body = vectorized_body(compiled(enqueue))
    assert body is not None
    assert "ProdOfOthers" in kinds(body)


def test_what_is_computed_elsewhere_keeps_a_loop_record_by_record() -> None:
    def compute(key: Any, value: Any) -> Any:
        with df.device("/cpu:1"):
            return df.square(parsed(value)[0], name="far")

    enqueue, _ = listing(compute)
    with pytest.raises(NotVectorizedError, match=f"on {cpu(1)}, its reader on {cpu(0)}"):
        vectorized_body(compiled(enqueue))


def test_the_queue_may_be_on_another_device() -> None:
    with df.device("/cpu:1"):
        queue = df.FIFOQueue(10, [df.float32], shapes=[[]], name="far")
    with df.device("/cpu:0"):
        files = df.FIFOQueue(10, [df.string], shapes=[[]], name="files")
        _, value = df.TextLineReader().read(files)
        element = parsed(value)[0]
    plan = compiled(queue.enqueue(element))
    body = vectorized_body(plan)
    assert body is not None
    assert body.enqueue.op.device == cpu(1)
    assert names(body.line) == [element.op.name]
