"""SessionManager: makes sessions with a model that is ready, initialized or restored from a checkpoint.

Source: tf.train.SessionManager of TensorFlow 1.15.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import numpy as np

from dflow import logging
from dflow.errors import DeadlineExceededError, FailedPreconditionError
from dflow.graph import Graph, get_default_graph
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.session.session import Session
from dflow.train.checkpoint_state import get_checkpoint_state


class SessionManager:
    """Makes sessions, and makes their models ready.

    local_init_op: run in each new session.  ready_op: a string tensor with the names of what is not initialized yet.
    ready_for_local_init_op: the same for what `local_init_op` needs.  graph: by default the default graph.
    recovery_wait_secs: seconds between looks at a model, or at a folder, that is not ready.
    local_init_run_options, local_init_feed_dict: for the run of `local_init_op`.
    ValueError for a ready_for_local_init_op without a local_init_op.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Graph | None = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                "If you pass a ready_for_local_init_op you must also pass a local_init_op "
                f", ready_for_local_init_op [{ready_for_local_init_op}]"
            )
        self._local_init_op = local_init_op
        self._ready_op = ready_op
        self._ready_for_local_init_op = ready_for_local_init_op
        self._graph = graph if graph is not None else get_default_graph()
        self._recovery_wait_secs = recovery_wait_secs
        self._local_init_run_options = local_init_run_options
        self._local_init_feed_dict = local_init_feed_dict
        self._target: Any = None

    # -- sessions

    def prepare_session(
        self,
        master: str,
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: ConfigProto | None = None,
        init_feed_dict: Any = None,
        init_fn: Any = None,
    ) -> Session:
        """A session with a model that is ready: restored from a checkpoint, or initialized if there is none.

        master: the target of the session.  saver: restores, from the newest checkpoint of checkpoint_dir or from
        checkpoint_filename_with_path.  wait_for_checkpoint: wait for one, max_wait_secs at most.
        init_op, init_feed_dict: what is run, and init_fn: what is called with the session, without a checkpoint.
        RuntimeError if there is nothing to initialize with, or if the model is not ready after it; ValueError for both
        kinds of paths.
        """
        sess, restored = self._restore_checkpoint(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )
        try:
            if not restored:
                self._initialize(sess, init_op, init_feed_dict, init_fn)
            self._check_ready(sess, init_op, init_fn)
        except BaseException:
            self._safe_close(sess)
            raise
        return sess

    def _initialize(self, sess: Session, init_op: Any, init_feed_dict: Any, init_fn: Any) -> None:
        if init_op is None and not init_fn and self._local_init_op is None:
            raise RuntimeError("Model is not initialized and no init_op or init_fn or local_init_op was given")
        if init_op is not None:
            sess.run(init_op, feed_dict=init_feed_dict)
        if init_fn:
            init_fn(sess)

    def _check_ready(self, sess: Session, init_op: Any, init_fn: Any) -> None:
        for look, what in ((self._try_run_local_init_op, " for local_init"), (self._model_ready, "")):
            ready, message = look(sess)
            if not ready:
                raise RuntimeError(
                    f"Init operations did not make model ready{what}.  Init op: {_name(init_op)}, init fn: {init_fn}, "
                    f"local_init_op: {_name(self._local_init_op)}, error: {message}"
                )

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: ConfigProto | None = None,
    ) -> tuple[Session, bool]:
        """A session, and whether its model was restored and is ready.

        The arguments are those of `prepare_session`.
        """
        sess, restored = self._restore_checkpoint(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )
        local_ready, local_message = self._try_run_local_init_op(sess)
        if not restored:
            return sess, False
        place = checkpoint_dir or checkpoint_filename_with_path
        if not local_ready:
            logging.info("Restoring model from %s did not make model ready for local init: %s", place, local_message)
            return sess, False
        ready, message = self._model_ready(sess)
        if not ready:
            logging.info("Restoring model from %s did not make model ready: %s", place, message)
            return sess, False
        logging.info("Restored model from %s", place)
        return sess, True

    def wait_for_session(
        self, master: str, config: ConfigProto | None = None, max_wait_secs: float = float("Inf")
    ) -> Session:
        """A session, when another process has initialized or restored the model: it looks again and again.

        DeadlineExceededError if it is not ready after max_wait_secs.
        """
        self._target = master
        limit = time.monotonic() + (float("inf") if max_wait_secs is None else max_wait_secs)
        while True:
            sess = Session(self._target, graph=self._graph, config=config)
            not_ready: str | None = None
            local_ready, not_ready_local = self._try_run_local_init_op(sess)
            if local_ready:
                ready, not_ready = self._model_ready(sess)
                if ready:
                    return sess
            self._safe_close(sess)
            if limit - time.monotonic() - self._recovery_wait_secs < 0:
                raise DeadlineExceededError(None, None, f"Session was not ready after waiting {max_wait_secs} secs.")
            logging.info(
                "Waiting for model to be ready.  Ready_for_local_init_op:  %s, ready: %s", not_ready_local, not_ready
            )
            time.sleep(self._recovery_wait_secs)

    def _safe_close(self, sess: Session) -> None:
        with suppress(Exception):
            sess.close()

    def _restore_checkpoint(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: ConfigProto | None = None,
    ) -> tuple[Session, bool]:
        """A new session, and whether a checkpoint was restored in it."""
        self._target = master
        sess = Session(self._target, graph=self._graph, config=config)
        try:
            if checkpoint_dir and checkpoint_filename_with_path:
                raise ValueError("Can not provide both checkpoint_dir and checkpoint_filename_with_path.")
            if saver is None or not (checkpoint_dir or checkpoint_filename_with_path):
                return sess, False
            if checkpoint_filename_with_path:
                saver.restore(sess, checkpoint_filename_with_path)
                return sess, True
            assert checkpoint_dir is not None
            state = self._find_checkpoint(checkpoint_dir, max_wait_secs if wait_for_checkpoint else 0)
            if state is None:
                return sess, False
            saver.restore(sess, state.model_checkpoint_path)
            saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
            return sess, True
        except BaseException:
            self._safe_close(sess)
            raise

    def _find_checkpoint(self, checkpoint_dir: str, max_wait_secs: float) -> Any:
        """The state of a folder; None if it has no checkpoint after so many seconds."""
        waited = 0.0
        while True:
            state = get_checkpoint_state(checkpoint_dir)
            if state is not None and state.model_checkpoint_path:
                return state
            if waited >= max_wait_secs:
                return None
            logging.info("Waiting for checkpoint to be available.")
            time.sleep(self._recovery_wait_secs)
            waited += self._recovery_wait_secs

    # -- whether a model is ready

    def _model_ready(self, sess: Session) -> tuple[bool, str | None]:
        return _ready(self._ready_op, sess, "Model not ready")

    def _model_ready_for_local_init(self, sess: Session) -> tuple[bool, str | None]:
        return _ready(self._ready_for_local_init_op, sess, "Model not ready for local init")

    def _try_run_local_init_op(self, sess: Session) -> tuple[bool, str | None]:
        """Run local_init_op if the model is ready for it; whether it was, and what it lacks."""
        if self._local_init_op is None:
            return True, None
        ready, message = self._model_ready_for_local_init(sess)
        if not ready:
            return False, message
        logging.info("Running local_init_op.")
        sess.run(self._local_init_op, feed_dict=self._local_init_feed_dict, options=self._local_init_run_options)
        logging.info("Done running local_init_op.")
        return True, None


def _ready(op: Any, sess: Session, what: str) -> tuple[bool, str | None]:
    """Whether an operation finds a model ready, and what it lacks.  Without an operation it is."""
    if op is None:
        return True, None
    try:
        missing = sess.run(op)
    except FailedPreconditionError as error:
        if "uninitialized" not in error.message:
            logging.warning("%s : error [%s]", what, str(error))
            raise
        return False, str(error)
    if missing is None or missing.dtype == np.int32 or missing.size == 0:
        return True, None
    names = ", ".join(name.decode("utf-8") for name in missing)
    return False, f"Variables not initialized: {names}"


def _name(item: Any) -> str | None:
    """The name of an operation, or whatever else was given."""
    return None if item is None else getattr(item, "name", str(item))
