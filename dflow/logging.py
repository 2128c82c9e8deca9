"""The log of a program: `df.logging`.

It is Python's logger `tensorflow`, which programs also reach by that name: `logging.getLogger("tensorflow")`.  Without
a configuration of their own it writes to stderr.
Source: tf.logging of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from logging import DEBUG, ERROR, FATAL, INFO, WARN
from typing import Any

__all__ = [
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "TaskLevelStatusMessage",
    "WARN",
    "debug",
    "error",
    "fatal",
    "flush",
    "get_verbosity",
    "info",
    "log",
    "log_every_n",
    "log_first_n",
    "log_if",
    "set_verbosity",
    "vlog",
    "warn",
    "warning",
]

_logger = logging.getLogger("tensorflow")
_counts: Counter[tuple[str, int]] = Counter()  # calls of log_first_n and log_every_n, by line
_counting = threading.Lock()


def get_logger() -> logging.Logger:
    """Python's logger that these functions log to."""
    return _logger


def get_verbosity() -> int:
    """The lowest level that is logged; WARN at first."""
    return _logger.getEffectiveLevel()


def set_verbosity(v: int | str) -> None:
    """Log from this level on: INFO, WARN, ... or its name."""
    _logger.setLevel(v)


def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log at a level; `args` fill in the message as `%` does."""
    _log(level, msg, args, kwargs)


def debug(msg: Any, *args: Any, **kwargs: Any) -> None:
    _log(DEBUG, msg, args, kwargs)


def info(msg: Any, *args: Any, **kwargs: Any) -> None:
    _log(INFO, msg, args, kwargs)


def warn(msg: Any, *args: Any, **kwargs: Any) -> None:
    _log(logging.WARNING, msg, args, kwargs)


def warning(msg: Any, *args: Any, **kwargs: Any) -> None:
    _log(logging.WARNING, msg, args, kwargs)


def error(msg: Any, *args: Any, **kwargs: Any) -> None:
    _log(ERROR, msg, args, kwargs)


def fatal(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Log at the level FATAL; the program goes on."""
    _log(FATAL, msg, args, kwargs)


def vlog(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """The same as `log`."""
    _log(level, msg, args, kwargs)


def TaskLevelStatusMessage(msg: Any) -> None:
    """Log an error."""
    _log(ERROR, msg, (), {})


def flush() -> None:
    """Write what the handlers hold back."""
    for handler in _logger.handlers:
        handler.flush()


def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Log if the condition holds."""
    if condition:
        _log(level, msg, args, {})


def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Log the first call of this line of the program, and then each n-th one."""
    if not _calls_before() % n:
        _log(level, msg, args, {})


def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Log the first n calls of this line of the program."""
    if _calls_before() < n:
        _log(level, msg, args, {})


def _calls_before() -> int:
    """How often the caller's line called before."""
    frame = sys._getframe(2)
    line = (frame.f_code.co_filename, frame.f_lineno)
    with _counting:
        _counts[line] += 1
        return _counts[line] - 1


def _log(level: int, msg: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Log as from the line of the user's program, two calls up."""
    _ensure_output()
    _logger.log(level, msg, *args, **{"stacklevel": 3, **options})


def _ensure_output() -> None:
    """Give the logger a handler, if neither it nor the root has one."""
    if not _logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
        _logger.addHandler(handler)
