"""Interactive sessions, for a notebook or a shell: the default session without a `with` block.

Source: tf.InteractiveSession of TensorFlow 1.15.
"""

from __future__ import annotations

import threading
import warnings

from dflow import forks
from dflow.graph import Graph, scopes
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.session.session import BaseSession


class InteractiveSession(BaseSession):
    """A session that is the default one from its construction until `close()`; so is its `graph` argument.

    Warns if another interactive session is open.
    """

    _open = 0
    _open_lock = threading.Lock()

    def __init__(self, target: str = "", graph: Graph | None = None, config: ConfigProto | None = None) -> None:
        self._counts = False
        super().__init__(target, graph, config)
        with InteractiveSession._open_lock:
            if InteractiveSession._open:
                warnings.warn(
                    "An interactive session is already active. This can cause out-of-memory errors in some cases. You "
                    "must explicitly call `InteractiveSession.close()` to release resources held by the other "
                    "session(s).",
                    stacklevel=2,
                )
            InteractiveSession._open += 1
            self._counts = True
        self._take_back = scopes.make_default(self, graph)

    def close(self) -> None:
        was_open = not self._closed
        super().close()
        if was_open:
            with InteractiveSession._open_lock:
                InteractiveSession._open -= 1
                self._counts = False
            self._take_back()

    def _forked(self) -> None:
        """In a forked child: do not count a session of the parent as open."""
        super()._forked()
        if self._home.elsewhere and self._counts:
            InteractiveSession._open -= 1
            self._counts = False


forks.new_lock_in_child(InteractiveSession, "_open_lock")
