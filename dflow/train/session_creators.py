"""Factories of sessions for monitored sessions: for the chief, and for the other workers.

Source: tf.train.SessionCreator, ChiefSessionCreator and WorkerSessionCreator of TensorFlow 1.15.
"""

from __future__ import annotations

import abc
from typing import Any

from dflow.graph import get_default_graph
from dflow.train.scaffold import Scaffold
from dflow.train.session_manager import SessionManager


class SessionCreator(abc.ABC):
    """A factory of sessions."""

    @abc.abstractmethod
    def create_session(self) -> Any:
        """A new session with a model that is ready."""
        raise NotImplementedError(f"create_session is not implemented for {self}.")


class _ScaffoldCreator(SessionCreator):
    """A factory that has a Scaffold and makes the SessionManager of it."""

    def __init__(self, scaffold: Scaffold | None, master: str, config: Any) -> None:
        self._scaffold = scaffold or Scaffold()
        self._session_manager: SessionManager | None = None
        self._master = master
        self._config = config

    def _get_session_manager(self) -> SessionManager:
        if self._session_manager is None:
            self._session_manager = SessionManager(
                local_init_op=self._scaffold.local_init_op,
                local_init_feed_dict=self._scaffold.local_init_feed_dict,
                ready_op=self._scaffold.ready_op,
                ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
                graph=get_default_graph(),
            )
        return self._session_manager


class ChiefSessionCreator(_ScaffoldCreator):
    """Makes sessions for the chief, which initializes the model or restores it.

    scaffold: by default a new one.  master: the target; config: the options of the sessions.
    checkpoint_dir: the folder whose newest checkpoint is restored, or checkpoint_filename_with_path: a checkpoint.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._checkpoint_dir = checkpoint_dir
        self._checkpoint_filename_with_path = checkpoint_filename_with_path

    def create_session(self) -> Any:
        """A new session, initialized or restored.  Finalizes the graph."""
        self._scaffold.finalize()
        return self._get_session_manager().prepare_session(
            self._master,
            saver=self._scaffold.saver,
            checkpoint_dir=self._checkpoint_dir,
            checkpoint_filename_with_path=self._checkpoint_filename_with_path,
            config=self._config,
            init_op=self._scaffold.init_op,
            init_feed_dict=self._scaffold.init_feed_dict,
            init_fn=self._scaffold.init_fn,
        )


class WorkerSessionCreator(_ScaffoldCreator):
    """Makes sessions for workers, which wait until the chief has the model ready.

    scaffold: by default a new one.  master: the target; config: the options of the sessions.
    max_wait_secs: how long a session waits at most.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        max_wait_secs: float = 30 * 60,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._max_wait_secs = max_wait_secs

    def create_session(self) -> Any:
        """A new session, when the model is ready.  Finalizes the graph.  DeadlineExceededError after the limit."""
        self._scaffold.finalize()
        return self._get_session_manager().wait_for_session(
            self._master, config=self._config, max_wait_secs=self._max_wait_secs
        )
