"""Producers: queues of input that a queue runner keeps filled.

Source: training/input.py of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int64, string
from dflow.graph import GraphKeys, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array import shape as shape_of
from dflow.ops.compare import greater
from dflow.ops.constants import constant_value
from dflow.ops.control import Assert, identity
from dflow.ops.data_flow import FIFOQueue
from dflow.ops.random import random_shuffle
from dflow.ops.variables import Variable
from dflow.shapes import as_shape
from dflow.train.queue_runner import QueueRunner, add_queue_runner


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Tensor:
    """The tensor itself `num_epochs` times, then OutOfRangeError; without a limit if it is None.

    The count is a local variable: run `local_variables_initializer()` first.  ValueError for num_epochs <= 0.
    """
    limited: Tensor = convert_to_tensor(tensor)
    if num_epochs is None:
        return limited
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    graph = limited.graph
    with graph.as_default(), graph.name_scope(name or "limit_epochs"):
        epochs = Variable(
            convert_to_tensor(0, int64), name="epochs", trainable=False, collections=[GraphKeys.LOCAL_VARIABLES]
        )
        counter = epochs.count_up_to(num_epochs)
        with graph.control_dependencies([counter]):
            return identity(limited)


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

    num_epochs: then the queue is closed; None: for ever.  shuffle: a new order for every epoch, within the epoch.
    ValueError if the shape of a row is not known.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "input_producer"):
        rows = convert_to_tensor(input_tensor, name="input_producer")
        element = rows.shape[1:].merge_with(as_shape(element_shape))
        if not element.is_fully_defined():
            raise ValueError(
                "Either `input_tensor` must have a fully defined shape or `element_shape` must be specified"
            )
        if shuffle:
            rows = random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(capacity, [rows.dtype], [element], shared_name=shared_name, name="input_producer")
        enqueue = queue.enqueue_many([rows])
        add_queue_runner(QueueRunner(queue, [enqueue], cancel_op=cancel_op))
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
    """A queue of strings, as a rule file names, for readers.

    An empty list is a ValueError; a tensor that is empty when it is run fails the queue runner.  The other arguments
    are those of `input_producer`.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "input_producer"):
        strings = convert_to_tensor(string_tensor, string)
        known = constant_value(strings)
        if known is not None and known.size == 0:
            raise ValueError("string_input_producer requires a non-null input tensor")
        size = shape_of(strings)[0]
        message = convert_to_tensor("string_input_producer requires a non-null input tensor")
        with graph.control_dependencies([Assert(greater(size, 0), [message])]):
            checked = identity(strings)
        return input_producer(
            checked, (), num_epochs, shuffle, seed, capacity, shared_name, name="rows", cancel_op=cancel_op
        )
