"""Named states, and the transitions between them."""

from enum import Enum

import pytest

from dflow.errors import InternalError
from dflow.runtime.base.states import States


class State(Enum):
    OPEN = "open"
    CLOSED = "closed"


TABLE = {State.OPEN: {"read": State.OPEN, "close": State.CLOSED}, State.CLOSED: {}}


def test_an_event_leads_to_the_next_state() -> None:
    door = States("the door", TABLE, State.OPEN)
    assert door.change("read") is State.OPEN
    assert door.change("close") is State.CLOSED
    assert door.now is State.CLOSED


def test_an_impossible_event_tells_what_happened_before() -> None:
    door = States("the door", TABLE, State.OPEN)
    door.change("read")
    door.change("close")
    with pytest.raises(InternalError, match="the door: impossible: read, close, 'read' while closed"):
        door.change("read")
    assert door.now is State.CLOSED
