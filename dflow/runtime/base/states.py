"""State machines as tables: the transitions of an object are data, and are checked as they happen.

    TABLE = {State.EMPTY: {"request": State.REQUESTED}, State.REQUESTED: {"answer": State.READY}, ...}
    state = States("the prefetch of loop 'train'", TABLE, State.EMPTY)
    state.change("request")  # now it is REQUESTED

An event without a transition in the current state is a bug in dflow: the error lists the events before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from dflow.errors import InternalError

S = TypeVar("S", bound=Enum)

STORY = 20  # the number of events that an error lists


class States(Generic[S]):
    """The state of one object.  Needs a lock, or one thread.

    name: of the object, for errors.  table: state -> event -> the next state.
    """

    __slots__ = ("_name", "_story", "_table", "now")

    def __init__(self, name: str, table: Mapping[S, Mapping[str, S]], start: S) -> None:
        self.now = start
        self._name = name
        self._table = table
        self._story: deque[str] = deque(maxlen=STORY)

    def change(self, event: str) -> S:
        """Take the transition of an event; returns the next state.  InternalError for an impossible one."""
        next_state = self._table[self.now].get(event)
        if next_state is None:
            events = ", ".join([*self._story, f"{event!r} while {self.now.value}"])
            raise InternalError(None, None, f"{self._name}: impossible: {events}")
        self._story.append(event)
        self.now = next_state
        return next_state
