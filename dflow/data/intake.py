"""The operation that takes rows of partitions into a queue, each partition from one attempt only.

Dask starts a task again when its worker dies, and computes a lost result again.  So an attempt claims its partition on
the queue's device: the first attempt that brings a row holds the partition, and any other attempt is told the holder
and the number of its rows.

Why the claims are here and not at the client: the queue's device sees every row anyway, so a claim costs no message,
and the number of counted rows cannot differ from the rows in the queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.dtypes import bool_, int64, string
from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, create_op
from dflow.ops.array.constants import placeholder
from dflow.ops.queues.kinds import QueueBase
from dflow.registry import KernelContext, define, no_gradient
from dflow.runtime.base.answers import Answering
from dflow.shapes import SCALAR, TensorShape
from dflow.specs import QueueSpec, TensorSpec

KIND = "QueueTakePartition"


@dataclass(slots=True)
class Claim:
    """The state of one partition on the queue's device."""

    holder: bytes  # the attempt that pushes it
    rows: int = 0  # its rows that are in the queue for certain
    complete: bool = False

    def outcome(self) -> tuple[np.ndarray[Any, Any], ...]:
        """The outputs of the operation."""
        return np.array(self.holder, dtype=object), np.array(self.rows), np.array(self.complete)


class Claims:
    """The partitions of one feeding."""

    def __init__(self) -> None:
        self._claims: dict[int, Claim] = {}
        self._lock = threading.Lock()

    def claim(self, partition: int, attempt: bytes) -> Claim:
        """The partition's claim; a new one for `attempt` if there is none."""
        with self._lock:
            return self._claims.setdefault(partition, Claim(attempt))


def _spec(*inputs: TensorSpec, queue: QueueSpec) -> tuple[TensorSpec, ...]:
    for shape, component in zip(queue.component_shapes, inputs[3:], strict=True):
        if not component.shape.is_compatible_with(TensorShape([None]).concatenate(shape)):
            raise ShapeError(f"rows of shape {component.shape} are no batch of elements of shape {shape}")
    return TensorSpec(SCALAR, string), TensorSpec(SCALAR, int64), TensorSpec(SCALAR, bool_)


def _attempt(
    context: KernelContext, reply: Any, partition: Any, attempt: Any, last: Any, *components: Any, queue: QueueSpec
) -> Callable[[], None] | None:
    """Enqueue rows of a partition; the reply has its holder, the number of its rows so far, and if it is complete."""
    mine = attempt[()]
    claim = context.per_session(Claims).claim(int(partition), mine)
    if claim.holder != mine:
        reply(claim.outcome())
        return None
    rows = tuple(np.asarray(component) for component in components)

    def entered(outcome: Any, settle: Any = None) -> None:
        if outcome is None:  # no error; of one attempt, one batch at a time comes, so this needs no lock
            claim.rows += len(rows[0])
            claim.complete = bool(last)
            outcome = claim.outcome()
        reply(outcome, settle)

    attempt_of = Answering(entered, reply.owner, reply.op)
    withdraw: Callable[[], None] = context.resource_of(queue).attempt(attempt_of, "enqueue_many", rows)
    return withdraw


define(
    KIND,
    spec=_spec,
    kernel=_attempt,
    gradient=no_gradient("a queue is state: its elements do not depend on this step's tensors"),
    blocks=True,
    host_only=True,
)


@dataclass(frozen=True)
class Intake:
    """The operations of one feeding in the queue's graph."""

    label: str  # their name scope, unique in the graph
    feeds: tuple[Tensor, ...]  # partition, attempt, whether it is the last batch, one batch a component
    outcome: tuple[Tensor, ...]  # holder, rows, complete
    close: Operation
    cancel: Operation


def build_intake(queue: QueueBase) -> Intake:
    """Add the operations to the queue's graph, outside of the caller's control dependencies."""
    graph, spec = queue.graph, queue.spec
    label = f"{queue.name.rpartition('/')[2]}_feed"
    with graph.as_default(), graph.control_dependencies(None), graph.name_scope(label) as scope:
        feeds = [
            placeholder(int64, [], "partition"),
            placeholder(string, [], "attempt"),
            placeholder(bool_, [], "last"),
        ]
        for i, (dtype, shape) in enumerate(zip(spec.dtypes, spec.component_shapes, strict=True)):
            feeds.append(placeholder(dtype, TensorShape([None]).concatenate(shape), f"component_{i}"))
        with graph.colocate_with(queue.op):
            outcome = create_op(KIND, *feeds, name="rows", queue=spec).outputs
        close = queue.close(name="close")
        cancel = queue.close(cancel_pending_enqueues=True, name="cancel")
    return Intake(scope.rstrip("/"), tuple(feeds), tuple(outcome), close, cancel)
