"""Objects of the parent in a process that `os.fork` made: sessions, locks, sockets.

The child has all objects of its parent, but one thread only, and shares each connection with it.  So an object with
threads or connections still belongs to the parent: in the child its methods raise an error that says so, and its
destruction there does not affect the parent.  A lock that another thread held at the fork would be held for ever: the
child makes a new one.

All of this is done once, in the child, right after the fork.  No method compares the number of the process for it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from dflow.errors import FailedPreconditionError

logger = logging.getLogger("dflow.forks")

Thing = TypeVar("Thing")

_pid = os.getpid()
_calls: weakref.WeakKeyDictionary[Any, list[Callable[[Any], object]]] = weakref.WeakKeyDictionary()


def in_child(thing: Thing, call: Callable[[Thing], object]) -> None:
    """Call `call(thing)` in each process that is forked from now on, as long as the thing lives.

    Calls for the same thing are made in the order in which they were requested.
    """
    _calls.setdefault(thing, []).append(call)


def close_in_child(sock: socket.socket) -> None:
    """Close the socket in each forked child, so that its peer notices the parent's end; it is not shut down."""
    in_child(sock, _let_go)


def _let_go(sock: socket.socket) -> None:
    with suppress(OSError):  # it is closed
        os.close(sock.detach())  # `close` would wait for a file object that still uses it


def new_lock_in_child(owner: Any, name: str, make: Callable[[], Any] = threading.Lock) -> None:
    """Replace the lock `name` of an object, a class or a module in each forked child: its owner may not be there."""
    in_child(owner, lambda owner: setattr(owner, name, make()))


def _after_fork() -> None:
    global _pid
    parent, _pid = _pid, os.getpid()
    Home.forked_from = parent
    for thing, call in [(thing, call) for thing, calls in list(_calls.items()) for call in calls]:
        try:
            call(thing)
        except Exception:  # the others are called all the same
            logger.exception("after a fork, %r could not be made ready for the child", thing)


os.register_at_fork(after_in_child=_after_fork)


class Home:
    """The process that a thing belongs to: this one, or the one that this one was forked from.

    what: "this session", for example.  advice: what to do instead.
    """

    forked_from = 0  # the process that forked this one

    def __init__(self, what: str, advice: str) -> None:
        self._what = what
        self._advice = advice
        self._left = 0  # the process that the thing belongs to, if that is another one

    def leave(self) -> None:
        """In a forked child: the thing is its parent's, or belongs to a process before that."""
        self._left = self._left or Home.forked_from

    @property
    def elsewhere(self) -> bool:
        """True if the thing belongs to another process."""
        return self._left != 0

    def check(self) -> None:
        """FailedPreconditionError, if the thing belongs to another process."""
        if self._left:
            raise self.error()

    def error(self) -> FailedPreconditionError:
        """The error to raise in the child."""
        return FailedPreconditionError(
            None,
            None,
            f"{self._what} belongs to the process that forked (pid {self._left}), and its threads and connections are "
            f"not in this child (pid {_pid}): {self._advice}, or start the process with multiprocessing's 'spawn' or "
            "'forkserver'",
        )
