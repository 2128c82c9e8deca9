"""The messages of a channel, and the protocol number that clients and workers compare."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass

from dflow.compile import LoopSpec
from dflow.runtime.transport import messages


def digest() -> str:
    """A short digest of all messages: their names, and the names and types of their fields."""
    classes = [LoopSpec, *(value for value in vars(messages).values() if value.__class__ is type)]
    described = {c.__name__: [(f.name, str(f.type)) for f in fields(c)] for c in classes if is_dataclass(c)}
    return hashlib.sha256(repr(sorted(described.items())).encode()).hexdigest()[:12]


KNOWN = (15, "140f244a8c1b")  # the protocol, and the digest of its messages


def test_a_change_of_the_messages_raises_the_protocol() -> None:
    assert (messages.PROTOCOL, digest()) == KNOWN, (
        "the messages have changed: raise PROTOCOL in dflow/runtime/transport/messages.py, unless it has been raised "
        f"since the last release, and write {(messages.PROTOCOL, digest())} here"
    )
