"""Readers as operations: they hand out files record by record.

A reader lives on the device of its operation and takes file names out of a queue, which may be on another device.
The formats are in `dflow/readers`; here are their classes and operations in a graph.
Source: io_ops.ReaderBase of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from dflow.dtypes import int64, string
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import DeviceOf, Operation, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.queues.kinds import QueueBase
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import SCALAR, TensorShape
from dflow.specs import QueueSpec, ReaderSpec, TensorSpec

Reply = Callable[..., None]
Withdraw = Callable[[], None]


def _handle_spec(reader: ReaderSpec) -> TensorSpec:
    return TensorSpec(SCALAR, string)


def _handle_kernel(context: KernelContext, reader: ReaderSpec) -> Any:
    context.resource_of(reader)
    handle = np.empty((), dtype=object)
    handle[()] = f"{context.device}/{reader.container}/{reader.name}".encode()
    return handle


def _read_spec(reader: ReaderSpec, queue: QueueSpec, queue_device: Any) -> tuple[TensorSpec, TensorSpec]:
    return TensorSpec(SCALAR, string), TensorSpec(SCALAR, string)


def _read_attempt(
    context: KernelContext,
    reply: Reply,
    reader: ReaderSpec,
    queue: QueueSpec,
    queue_device: str,
    block: int | None = None,
    opens: bool = True,
) -> Withdraw:
    """block, opens: of a loop that goes many records at once: so many at most, which it commits or rolls back."""
    return _read(context, reply, reader, queue, queue_device, block, block is not None, opens)


def _read_up_to_spec(
    limit: TensorSpec, reader: ReaderSpec, queue: QueueSpec, queue_device: Any
) -> tuple[TensorSpec, TensorSpec]:
    limit.shape.with_rank(0)
    return TensorSpec(TensorShape([None]), string), TensorSpec(TensorShape([None]), string)


def _read_up_to_attempt(
    context: KernelContext, reply: Reply, limit: Any, reader: ReaderSpec, queue: QueueSpec, queue_device: str
) -> Withdraw:
    return _read(context, reply, reader, queue, queue_device, int(limit))


def _read(
    context: KernelContext,
    reply: Reply,
    reader: ReaderSpec,
    queue: QueueSpec,
    queue_device: str,
    limit: int | None,
    uncommitted: bool = False,
    opens: bool = True,
) -> Withdraw:
    if queue.dtypes != (string,) or (queue.shapes is not None and queue.shapes != (SCALAR,)):
        raise InvalidArgumentError(
            None,
            None,
            f"reader '{reader.name}' takes file names out of a queue with one scalar string component; "
            f"'{queue.name}' has {[d.name for d in queue.dtypes]}",
        )

    def request_file(answer: Reply) -> Withdraw:
        return context.dequeue_from(queue_device, queue, answer)

    withdraw: Withdraw = context.resource_of(reader).read(reply, request_file, limit, uncommitted, opens)
    return withdraw


def _count_spec(reader: ReaderSpec) -> TensorSpec:
    return TensorSpec(SCALAR, int64)


def _produced_kernel(context: KernelContext, reader: ReaderSpec) -> Any:
    return np.asarray(context.resource_of(reader).produced, dtype=np.int64)


def _completed_kernel(context: KernelContext, reader: ReaderSpec) -> Any:
    return np.asarray(context.resource_of(reader).completed, dtype=np.int64)


def _state_attempt(context: KernelContext, reply: Reply, reader: ReaderSpec) -> Withdraw:
    withdraw: Withdraw = context.resource_of(reader).attempt(reply, "state")
    return withdraw


def _restore_spec(state: TensorSpec, reader: ReaderSpec) -> tuple[TensorSpec, ...]:
    if state.dtype != string or not state.shape.is_compatible_with(()):
        raise ShapeError(f"a reader's state is a scalar string, got {state}")
    return ()


def _restore_attempt(context: KernelContext, reply: Reply, state: Any, reader: ReaderSpec) -> Withdraw:
    withdraw: Withdraw = context.resource_of(reader).attempt(reply, "restore", bytes(np.asarray(state)[()]))
    return withdraw


def _reset_spec(reader: ReaderSpec) -> tuple[TensorSpec, ...]:
    return ()


def _reset_attempt(context: KernelContext, reply: Reply, reader: ReaderSpec) -> Withdraw:
    withdraw: Withdraw = context.resource_of(reader).attempt(reply, "reset")
    return withdraw


_NONE = no_gradient("a reader is state: its records do not depend on this step's tensors")

define("Reader", spec=_handle_spec, kernel=_handle_kernel, gradient=_NONE, stateful=True, host_only=True)
define("ReaderReadV2", spec=_read_spec, kernel=_read_attempt, gradient=_NONE, blocks=True, host_only=True)
define(
    "ReaderReadUpToV2", spec=_read_up_to_spec, kernel=_read_up_to_attempt, gradient=_NONE, blocks=True, host_only=True
)
define(
    "ReaderNumRecordsProducedV2",
    spec=_count_spec,
    kernel=_produced_kernel,
    gradient=_NONE,
    stateful=True,
    host_only=True,
)
define(
    "ReaderNumWorkUnitsCompletedV2",
    spec=_count_spec,
    kernel=_completed_kernel,
    gradient=_NONE,
    stateful=True,
    host_only=True,
)
# These wait for a read in progress, which a file may block for ever: they are attempts, so that no thread blocks.
define("ReaderSerializeStateV2", spec=_handle_spec, kernel=_state_attempt, gradient=_NONE, blocks=True, host_only=True)
define("ReaderRestoreStateV2", spec=_restore_spec, kernel=_restore_attempt, gradient=_NONE, blocks=True, host_only=True)
define("ReaderResetV2", spec=_reset_spec, kernel=_reset_attempt, gradient=_NONE, blocks=True, host_only=True)


class ReaderBase:
    """A reader of files, for its subclasses to make: `ReaderBase("TextLineReader", {"skip_header_lines": 1}, name)`.

    kind: the name that the format was registered under; options: the arguments of the format's constructor.
    shared_name: sessions that give the same one on the same device and container share the reader.
    """

    def __init__(
        self, kind: str, options: Mapping[str, Any], name: str | None = None, shared_name: str | None = None
    ) -> None:
        graph = get_default_graph()
        name = name or f"{kind}V2"  # the names that TensorFlow 1.15 gives
        self._spec = ReaderSpec(
            kind=kind,
            node=graph.unique_name(name, mark_as_used=False),
            options=tuple(options.items()),
            container=graph.scope.container,
            shared_name=shared_name or "",
        )
        self._op = graph.create_op("Reader", (), {"reader": self._spec}, name=name)

    @property
    def reader_ref(self) -> Tensor:
        """The handle."""
        return self._op.outputs[0]

    @property
    def name(self) -> str:
        return self._op.name

    @property
    def spec(self) -> ReaderSpec:
        return self._spec

    @property
    def op(self) -> Operation:
        return self._op

    @property
    def supports_serialize(self) -> bool:
        """Whether its state can be saved: always, here."""
        return True

    def read(self, queue: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
        """The next record: (key, value), scalar strings.

        queue: a queue, or its `queue_ref`, of file names.  Waits for a file name if the current file is done and the
        queue is empty and open; OutOfRangeError when it is closed and empty.  NotFoundError for a file that cannot be
        opened; the next read goes on with the next file.
        """
        op = self._add("ReaderReadV2", name, **_queue_attrs(queue))
        return op.outputs[0], op.outputs[1]

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
        """Up to `num_records` records of one file, at least one: (keys, values), string vectors."""
        with self._scope(name or "ReaderReadUpToV2") as scope:
            dtype = None if isinstance(num_records, Tensor) else int64
            limit = convert_to_tensor(num_records, dtype, name="num_records")
            op = self._add("ReaderReadUpToV2", scope, limit, **_queue_attrs(queue))
        return op.outputs[0], op.outputs[1]

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """Records handed out since creation or reset: a scalar int64."""
        return self._add("ReaderNumRecordsProducedV2", name).outputs[0]

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """Files read to their end since creation or reset: a scalar int64."""
        return self._add("ReaderNumWorkUnitsCompletedV2", name).outputs[0]

    def serialize_state(self, name: str | None = None) -> Tensor:
        """The counts and the place in the current file, as a scalar string.  Waits for a read in progress."""
        return self._add("ReaderSerializeStateV2", name).outputs[0]

    def restore_state(self, state: Any, name: str | None = None) -> Operation:
        """Go back to a serialized state; waits for a read in progress.  InvalidArgumentError for other bytes."""
        with self._scope(name or "ReaderRestoreStateV2") as scope:
            return self._add("ReaderRestoreStateV2", scope, convert_to_tensor(state, string, name="state"))

    def reset(self, name: str | None = None) -> Operation:
        """Counts to 0; the current file is dropped.  Waits for a read in progress."""
        return self._add("ReaderResetV2", name)

    @contextmanager
    def _scope(self, name: str) -> Iterator[str]:
        """The name scope of one operation; the operation has the name of the scope."""
        graph = self._op.graph
        with graph.as_default(), graph.name_scope(name) as scope:
            yield scope

    def _add(self, kind: str, name: str | None, *inputs: Tensor, **attrs: Any) -> Operation:
        graph = self._op.graph
        with graph.as_default(), graph.colocate_with(self._op):
            return graph.create_op(kind, inputs, {"reader": self._spec, **attrs}, name=name)


def _queue_attrs(queue: Any) -> dict[str, Any]:
    op = queue.op if isinstance(queue, (QueueBase, Tensor)) else None
    if op is None or "queue" not in op.attrs:
        raise TypeError(f"expected a queue or its queue_ref, got {queue!r}")
    return {"queue": op.attrs["queue"], "queue_device": DeviceOf(op)}
