"""Whether a program may use what TensorFlow added on a certain day.  Source: tf.compat of TensorFlow 1.15."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["forward_compatibility_horizon", "forward_compatible"]

_FORWARD_COMPATIBILITY_HORIZON = datetime.date(2019, 10, 10)  # that of TensorFlow 1.15
_horizon = [_FORWARD_COMPATIBILITY_HORIZON]


def forward_compatible(year: int, month: int, day: int) -> bool:
    """True for a day before the horizon of TensorFlow 1.15, in October 2019."""
    return _horizon[-1] > datetime.date(year, month, day)


@contextmanager
def forward_compatibility_horizon(year: int, month: int, day: int) -> Iterator[None]:
    """Inside of this block, the horizon is another day: for tests."""
    _horizon.append(datetime.date(year, month, day))
    try:
        yield
    finally:
        _horizon.pop()
