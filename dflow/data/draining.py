"""Taking batches out of a queue, as NumPy arrays, until its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dflow.dtypes import int32
from dflow.errors import OutOfRangeError
from dflow.graph import convert_to_tensor, scopes
from dflow.ops.queues.kinds import QueueBase
from dflow.runtime.session.session import BaseSession


def batches(
    queue: QueueBase, batch_size: int, session: BaseSession | None = None, *, drop_remainder: bool = False
) -> Iterator[Any]:
    """Iterate over batches of a queue's elements until it is closed and empty.

    A batch is a tuple of arrays [batch_size, *component shape], or a dict of them for a queue with names; text is an
    array of bytes objects.  The last one may be smaller; with drop_remainder, those few elements stay in the queue.
    session: by default the default session.  Waits while the queue is open and has too few elements.

    There is no prefetch: a batch is dequeued when the iterator is asked for it, so an iterator may be left at any time
    without losing an element.  ValueError without a session, for a queue without shapes, or for a batch_size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    session = session if session is not None else scopes.get_default_session()
    if session is None:
        raise ValueError("there is no default session: use `with df.Session(...)`, or give session=")
    if queue.spec.shapes is None:
        raise ValueError(f"queue {queue.name!r}: batches need components with shapes; give the queue shapes=")
    take = queue.dequeue_many if drop_remainder else queue.dequeue_up_to
    with queue.graph.as_default(), queue.graph.colocate_with(queue.op):  # the number too: no other device takes part
        batch = take(convert_to_tensor(batch_size, int32, name="batch_size"))
    fetches = batch if isinstance(batch, dict) else tuple(batch) if isinstance(batch, list) else (batch,)
    return _until_the_end(session.make_callable(fetches))


def _until_the_end(
    run: Callable[[], Any],
) -> Iterator[dict[str, np.ndarray[Any, Any]] | tuple[np.ndarray[Any, Any], ...]]:
    while True:
        try:
            batch = run()
        except OutOfRangeError:
            return
        yield batch
