"""Batches of examples: a queue that collects them, the queue runner that fills it, and the operation for a batch.

    image, label = ...
    images, labels = train.shuffle_batch([image, label], 32, capacity=2000, min_after_dequeue=1000)

`batch` runs one source in several threads, `batch_join` several sources in one thread each; the `shuffle_` ones mix.
The `maybe_` ones leave out the examples for which `keep_input` is false.

Arguments that several functions share:
* tensors: a list or dict of tensors, one example; with enqueue_many=True, as many as their first axis is long.
  Some may be SparseTensors; a batch of these is a SparseTensor of one rank more, as large as its largest example.
  tensors_list: one such list or dict for each source.
* batch_size: of the result.  Its dict, list or, of a list of one, single tensor is [batch_size, *shape of an example].
* num_threads: how many run the same source; with more than one, the order of the examples is undefined.
* capacity, shared_name: of the queue, which may be smaller than a batch, but not 0.
* shapes: of the examples, where those of the tensors are unknown.
* dynamic_pad: sizes may differ within a batch: smaller ones are filled up at the end with 0, False or "".
* allow_smaller_final_batch: give the rest when the input ends; without it the rest stays in the queue.  The static size
  of a batch is unknown then.
* min_after_dequeue: the number of examples that stay in the queue while the input lasts, so that they mix; seed: of the
  order.
* keep_input: a bool: whether the example (with enqueue_many: all of them) is kept.  With enqueue_many=True also a
  vector of bools, one for each example.  A number is true if it is not 0.
When the input ends, fetching a batch raises OutOfRangeError.  Build errors are ValueErrors, also for a shape that is
not known; TypeError for sources of other types than the first one's.
There are no summaries in dflow, so these functions add none for the size of a queue.
Source: training/input.py of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dflow.ops.queues.kinds import FIFOQueue, PaddingFIFOQueue, QueueBase, RandomShuffleQueue
from dflow.train.examples import Makes, batches
from dflow.train.input import check_capacity

__all__ = [
    "batch",
    "batch_join",
    "maybe_batch",
    "maybe_batch_join",
    "maybe_shuffle_batch",
    "maybe_shuffle_batch_join",
    "shuffle_batch",
    "shuffle_batch_join",
]

Tensors = Sequence[Any] | Mapping[Any, Any]


def batch(
    tensors: Tensors,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of the examples of one source, in their order."""
    make = _in_order(capacity, dynamic_pad, shared_name)
    return batches(
        [tensors],
        batch_size,
        make,
        name or "batch",
        num_threads=num_threads,
        enqueue_many=enqueue_many,
        shapes=shapes,
        dynamic_pad=dynamic_pad,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def maybe_batch(
    tensors: Tensors,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Like `batch`, of the examples that `keep_input` keeps."""
    make = _in_order(capacity, dynamic_pad, shared_name)
    return batches(
        [tensors],
        batch_size,
        make,
        name or "batch",
        keep_input=keep_input,
        num_threads=num_threads,
        enqueue_many=enqueue_many,
        shapes=shapes,
        dynamic_pad=dynamic_pad,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def batch_join(
    tensors_list: Sequence[Tensors],
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of the examples of several sources; the order of each source is kept."""
    make = _in_order(capacity, dynamic_pad, shared_name)
    return batches(
        tensors_list,
        batch_size,
        make,
        name or "batch_join",
        enqueue_many=enqueue_many,
        shapes=shapes,
        dynamic_pad=dynamic_pad,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def maybe_batch_join(
    tensors_list: Sequence[Tensors],
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Like `batch_join`, of the examples that `keep_input` keeps, the same one for each source."""
    make = _in_order(capacity, dynamic_pad, shared_name)
    return batches(
        tensors_list,
        batch_size,
        make,
        name or "batch_join",
        keep_input=keep_input,
        enqueue_many=enqueue_many,
        shapes=shapes,
        dynamic_pad=dynamic_pad,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def shuffle_batch(
    tensors: Tensors,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of the examples of one source, mixed.  ValueError unless capacity > min_after_dequeue."""
    make = _mixed(capacity, min_after_dequeue, seed, shared_name)
    return batches(
        [tensors],
        batch_size,
        make,
        name or "shuffle_batch",
        num_threads=num_threads,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def maybe_shuffle_batch(
    tensors: Tensors,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Like `shuffle_batch`, of the examples that `keep_input` keeps."""
    make = _mixed(capacity, min_after_dequeue, seed, shared_name)
    return batches(
        [tensors],
        batch_size,
        make,
        name or "shuffle_batch",
        keep_input=keep_input,
        num_threads=num_threads,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def shuffle_batch_join(
    tensors_list: Sequence[Tensors],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of the examples of several sources, mixed.  ValueError unless capacity > min_after_dequeue."""
    make = _mixed(capacity, min_after_dequeue, seed, shared_name)
    return batches(
        tensors_list,
        batch_size,
        make,
        name or "shuffle_batch_join",
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def maybe_shuffle_batch_join(
    tensors_list: Sequence[Tensors],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Like `shuffle_batch_join`, of the examples that `keep_input` keeps, the same one for each source."""
    make = _mixed(capacity, min_after_dequeue, seed, shared_name)
    return batches(
        tensors_list,
        batch_size,
        make,
        name or "shuffle_batch_join",
        keep_input=keep_input,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
    )


def _in_order(capacity: int, dynamic_pad: bool, shared_name: str | None) -> Makes:
    check_capacity(capacity)
    kind = PaddingFIFOQueue if dynamic_pad else FIFOQueue

    def make(dtypes: Any, shapes: Any) -> QueueBase:
        return kind(capacity, dtypes, shapes, shared_name=shared_name)

    return make


def _mixed(capacity: int, min_after_dequeue: int, seed: int | None, shared_name: str | None) -> Makes:
    if capacity <= min_after_dequeue:
        raise ValueError(f"capacity {capacity} must be bigger than min_after_dequeue {min_after_dequeue}.")

    def make(dtypes: Any, shapes: Any) -> QueueBase:
        return RandomShuffleQueue(capacity, min_after_dequeue, dtypes, shapes, seed=seed, shared_name=shared_name)

    return make
