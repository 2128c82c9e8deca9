"""Producers: queues of input that a queue runner keeps filled.

    names = train.string_input_producer(train.match_filenames_once("data/*.csv"), num_epochs=3)
    key, line = df.TextLineReader().read(names)

There are no summaries in dflow: the arguments for them are ignored, and no `fraction_of_..._full` is made.
Source: training/input.py of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.dtypes import int64, string
from dflow.graph import GraphKeys, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array.gather import gather
from dflow.ops.array.sequence import range as range_of
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.shape import size as size_of
from dflow.ops.control import Assert, identity
from dflow.ops.files import matching_files
from dflow.ops.math.compare import greater
from dflow.ops.queues.kinds import FIFOQueue
from dflow.ops.random import random_shuffle
from dflow.ops.rules.static import constant_value
from dflow.ops.state.variables import Variable
from dflow.shapes import as_shape
from dflow.train.queue_runner import QueueRunner, add_queue_runner


def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """A local variable of the names of the files that match `pattern` when `local_variables_initializer()` is run.

    pattern: a string or a list of them; see `matching_files`.  The names are a string vector, sorted.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "matching_filenames") as scope:
        return Variable(
            matching_files(pattern),
            name=scope,
            trainable=False,
            validate_shape=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Tensor:
    """The tensor itself `num_epochs` times, then OutOfRangeError; without a limit if it is None.

    The count is a local variable, `<scope>/epochs`: run `local_variables_initializer()` first.
    ValueError for num_epochs <= 0.
    """
    limited: Tensor = convert_to_tensor(tensor)
    if num_epochs is None:
        return limited
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    graph = limited.graph
    with graph.as_default(), graph.name_scope(name or "limit_epochs") as scope:
        epochs = Variable(
            convert_to_tensor(0, int64), name="epochs", trainable=False, collections=[GraphKeys.LOCAL_VARIABLES]
        )
        counter = epochs.count_up_to(int(num_epochs))
        with graph.control_dependencies([counter]):
            return identity(limited, name=scope)


def check_capacity(capacity: int) -> None:
    """ValueError for a queue of capacity 0, which no element would ever fit into; a negative capacity is no bound."""
    if capacity == 0:
        raise ValueError("capacity must not be 0: no element would ever fit into the queue")


def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> FIFOQueue:
    """A queue of the rows of `input_tensor`, again for each epoch, filled by a queue runner.

    element_shape: the shape of a row, where that of the tensor is unknown.
    num_epochs: then the queue is closed, see `limit_epochs`; None: for ever.
    shuffle: a new order for every epoch, within the epoch; seed: of these orders.
    cancel_op: the operation that the queue runner runs on a stop, by default a close of the queue.
    summary_name: ignored.  The other arguments are those of `FIFOQueue`.
    ValueError if the shape of a row is not known, the tensor is a scalar, or the capacity is 0.
    """
    check_capacity(capacity)
    graph = get_default_graph()
    with graph.name_scope(name or "input_producer"):
        rows = convert_to_tensor(input_tensor, name="input_producer")
        if rows.shape.ndims == 0:
            raise ValueError(f"{rows.name}: Shape {rows.shape} must have rank at least 1")
        element = rows.shape[1:].merge_with(as_shape(element_shape))
        if not element.is_fully_defined():
            raise ValueError(
                "Either `input_tensor` must have a fully defined shape or `element_shape` must be specified"
            )
        if shuffle:
            rows = random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(capacity, [rows.dtype], [element], shared_name=shared_name, name=name or "FIFOQueueV2")
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many([rows])], cancel_op=cancel_op))
    return queue


def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> FIFOQueue:
    """A queue of strings, usually file names for readers.

    An empty list is a ValueError; a tensor that is empty when it is run fails the queue runner.  The other arguments
    are those of `input_producer`.
    """
    fact = "string_input_producer requires a non-null input tensor"
    graph = get_default_graph()
    with graph.name_scope(name or "input_producer") as scope:
        strings = convert_to_tensor(string_tensor, string)
        value = None if isinstance(string_tensor, Tensor) else constant_value(strings)
        if value is not None and value.size == 0:
            raise ValueError(fact)
        with graph.control_dependencies([Assert(greater(size_of(strings), 0), [convert_to_tensor(fact)])]):
            checked = identity(strings)
        return input_producer(
            checked, (), num_epochs, shuffle, seed, capacity, shared_name, name=scope, cancel_op=cancel_op
        )


def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> FIFOQueue:
    """A queue of the integers 0 to limit - 1: int32, or of the dtype of a tensor `limit`.

    The other arguments are those of `input_producer`.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "input_producer") as scope:
        return input_producer(range_of(limit), (), num_epochs, shuffle, seed, capacity, shared_name, name=scope)


def slice_input_producer(
    tensor_list: Sequence[Any],
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Tensor]:
    """One row of each tensor, all of the same index.  Each run takes the next index from a queue of indices.

    tensor_list: tensors of equal first sizes.  shared_name: of the queue of indices.
    ValueError for an empty list.  The other arguments are those of `input_producer`.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "input_producer"):
        if not tensor_list:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        tensors = [convert_to_tensor(tensor) for tensor in tensor_list]
        queue = range_input_producer(shape_of(tensors[0])[0], num_epochs, shuffle, seed, capacity, shared_name)
        index = queue.dequeue()
        return [gather(tensor, index) for tensor in tensors]
