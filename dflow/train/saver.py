"""Saver: saves the variables of a session as checkpoints, and restores them.

    saver = df.train.Saver(max_to_keep=3)
    saver.save(sess, "/models/run/model.ckpt", global_step=100)      # /models/run/model.ckpt-100.index, .data..., .meta
    saver.restore(sess, df.train.latest_checkpoint("/models/run"))

The files are TensorFlow's: it reads what dflow writes, and dflow what TensorFlow writes.
Source: tf.train.Saver of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dflow.checkpoints import files
from dflow.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, OpError
from dflow.graph import GraphKeys, get_default_graph
from dflow.graph_proto import SaverDef
from dflow.runtime.session.session import BaseSession
from dflow.train import checkpoint_state
from dflow.train.collections import add_collection_def, register_proto_function
from dflow.train.global_step import global_step as value_of_step
from dflow.train.meta_graph import export_scoped_meta_graph
from dflow.train.saveables import saveables_of
from dflow.train.saver_builder import build

logger = logging.getLogger("dflow.train")


class Saver:
    """Saves variables and restores them.

    var_list: what to save, a list, or a dict from the names in the checkpoint: variables, lists of parts of one
        variable, readers, SaveableObjects.  None: all global variables, and the collection SAVEABLE_OBJECTS.
    reshape: a variable is restored from a value of another shape with as many elements.
    sharded: each device writes a file with its variables.  Otherwise one device writes them all.
    max_to_keep: how many of the newest checkpoints are kept; None or 0: all.
    keep_checkpoint_every_n_hours: of those that go, one for so many hours is kept.
    name: of the scope of the Saver's operations.  restore_sequentially: accepted; the tensors of a device are restored
        by one operation.
    saver_def: the operations of a Saver that the graph has already.
    defer_build: the operations are added by `build`.  allow_empty: a graph may have nothing to save.
    write_version: `SaverDef.V2`, or `SaverDef.V1` for checkpoints of one file, which are slower and use more memory.
    pad_step_number: step numbers have 8 digits.  save_relative_paths: the file `checkpoint` has paths relative to its
        folder, which can be moved then.
    filename: the default for the tensor that is the checkpoint's prefix.

    ValueError for nothing to save; TypeError for what cannot be saved.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: None = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = SaverDef.V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        if defer_build and var_list:
            raise ValueError(
                "If `var_list` is provided then build cannot be deferred. "
                "Either set defer_build=False or var_list=None."
            )
        if builder is not None:
            raise NotImplementedError("a Saver with a builder of its own; give it SaveableObjects in var_list")
        self._var_list = var_list
        self._reshape = reshape
        self._sharded = sharded
        self._max_to_keep = max_to_keep
        self._keep_checkpoint_every_n_hours = keep_checkpoint_every_n_hours
        self._name = name
        self._allow_empty = allow_empty
        self._write_version = write_version
        self._pad_step_number = pad_step_number
        self._filename = filename
        self._save_relative_paths = save_relative_paths
        self._last_checkpoints: list[tuple[str, float]] = []
        self._checkpoints_to_be_deleted: list[tuple[str, float]] = []
        self._is_empty = self._is_built = False
        self.saver_def: Any = saver_def
        if not defer_build:
            self.build()
        if self.saver_def is not None:
            _check_saver_def(self.saver_def)
            self._write_version = self.saver_def.version
            self._restart_clock()

    def build(self) -> None:
        """Add the operations, if they are not there yet."""
        if self._is_built:
            return
        self._is_built = True
        if self.saver_def is None:
            if self._var_list is None:
                graph = get_default_graph()
                collections = (GraphKeys.GLOBAL_VARIABLES, GraphKeys.SAVEABLE_OBJECTS)
                self._var_list = [item for name in collections for item in graph.get_collection(name)]
            if not self._var_list:
                if not self._allow_empty:
                    raise ValueError("No variables to save")
                self._is_empty = True
                return
            self.saver_def = build(
                saveables_of(self._var_list),
                reshape=self._reshape,
                sharded=self._sharded,
                name=self._name,
                filename=self._filename,
                max_to_keep=self._max_to_keep or 0,
                keep_checkpoint_every_n_hours=self._keep_checkpoint_every_n_hours,
                version=self._write_version,
            )
        elif self.saver_def and self._name:
            for field in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
                setattr(self.saver_def, field, f"{self._name}/{getattr(self.saver_def, field)}")
        _check_saver_def(self.saver_def)
        self._restart_clock()

    def _restart_clock(self) -> None:
        self._next_checkpoint_time = time.time() + self.saver_def.keep_checkpoint_every_n_hours * 3600

    # -- saving

    def save(
        self,
        sess: Any,
        save_path: str,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Save the variables as they are in a session; gives the prefix of the checkpoint, None if it is empty.

        save_path: the prefix; global_step: a number, a tensor or a variable, which is put behind it.
        latest_filename: the name of the file that lists the checkpoints, "checkpoint".
        write_meta_graph: write the graph, too, to `<prefix>.<meta_graph_suffix>`.  write_state: write the list.
        save_debug_info: accepted, without effect.

        TypeError for what is no session; ValueError for a `latest_filename` with a folder or like `save_path`, or if
        the folder of `save_path` is not there; RuntimeError if `build` was not called; the errors of a run.
        """
        if not self._is_built:
            raise RuntimeError("`build()` should be called before save if defer_build==True")
        latest_filename = latest_filename or "checkpoint"
        if os.path.split(latest_filename)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        save_path = _text(save_path)
        prefix = save_path
        if global_step is not None:
            step = global_step if isinstance(global_step, (int, np.integer)) else value_of_step(sess, global_step)
            prefix = f"{save_path}-{step:08d}" if self._pad_step_number else f"{save_path}-{step}"
        elif os.path.basename(save_path) == latest_filename and not self._sharded:
            raise ValueError(f"'latest_filename' collides with 'save_path': '{latest_filename}' and '{save_path}'")
        if not isinstance(sess, BaseSession):
            raise TypeError(f"'sess' must be a Session; {sess}")
        saved = None if self._is_empty else self._save(sess, save_path, prefix)
        if saved is not None and write_state:
            self._record_last_checkpoint(saved)
            checkpoint_state.write_state(
                os.path.dirname(save_path), saved, self.last_checkpoints, latest_filename, self._save_relative_paths
            )
            self._maybe_delete_old_checkpoints(meta_graph_suffix)
        if write_meta_graph:
            name = checkpoint_state.meta_graph_filename(prefix, meta_graph_suffix)
            with sess.graph.as_default():
                self.export_meta_graph(name, strip_default_attrs=strip_default_attrs)
        return saved

    def _save(self, sess: Any, save_path: str, prefix: str) -> str:
        try:
            found = sess.run(self.saver_def.save_tensor_name, {self.saver_def.filename_tensor_name: prefix})
        except (FailedPreconditionError, NotFoundError):
            if not files.is_directory(os.path.dirname(save_path)):
                raise ValueError(f"Parent directory of {save_path} doesn't exist, can't save.") from None
            raise
        return _text(found)

    # -- restoring

    def restore(self, sess: Any, save_path: str) -> None:
        """Bring the variables back, which need not be initialized.

        ValueError for a path that is no checkpoint; NotFoundError for a variable that it does not have;
        InvalidArgumentError for one of another dtype or shape there; DataLossError for a damaged checkpoint.
        """
        if self._is_empty:
            return
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        save_path = _text(save_path)
        if not checkpoint_state.checkpoint_exists(save_path):
            raise ValueError(f"The passed save_path is not a valid checkpoint: {save_path}")
        logger.info("Restoring parameters from %s", save_path)
        try:
            sess.run(self.saver_def.restore_op_name, {self.saver_def.filename_tensor_name: save_path})
        except NotFoundError as error:
            raise _explained(error, "a Variable name or other graph key that is missing") from error
        except InvalidArgumentError as error:
            raise _explained(error, "a mismatch between the current graph and the graph") from error

    # -- the newest checkpoints

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints that have not been deleted yet, the oldest first: a list that can be changed."""
        return [name for name, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints: Sequence[str]) -> None:
        """Replace the list of checkpoints; their times are not known."""
        if not isinstance(last_checkpoints, list):
            raise AssertionError(f"last_checkpoints must be a list, got {last_checkpoints!r}")
        self._last_checkpoints = [(name, np.inf) for name in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: Sequence[tuple[str, float]]) -> None:
        """Replace the list of checkpoints, each with the time of its last change in seconds since 1970."""
        if not isinstance(last_checkpoints_with_time, list):
            raise AssertionError(f"last_checkpoints_with_time must be a list, got {last_checkpoints_with_time!r}")
        self._last_checkpoints = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Iterable[str]) -> None:
        """Replace the list by those of some checkpoints that exist, after a restart."""
        there = [path for path in checkpoint_paths if checkpoint_state.checkpoint_exists(path)]
        times = checkpoint_state.get_checkpoint_mtimes(there)
        self.set_last_checkpoints_with_time(list(zip(there, times, strict=True)))

    def _record_last_checkpoint(self, path: str) -> None:
        if not self.saver_def.max_to_keep:
            return
        for entry in self._last_checkpoints:
            if entry[0] == path:
                self._last_checkpoints.remove(entry)
                break
        self._last_checkpoints.append((path, time.time()))
        if len(self._last_checkpoints) > self.saver_def.max_to_keep:
            self._checkpoints_to_be_deleted.append(self._last_checkpoints.pop(0))

    def _maybe_delete_old_checkpoints(self, meta_graph_suffix: str) -> None:
        if not self._checkpoints_to_be_deleted:
            return
        path, moment = self._checkpoints_to_be_deleted.pop(0)
        if moment > self._next_checkpoint_time:
            self._next_checkpoint_time += self.saver_def.keep_checkpoint_every_n_hours * 3600
            return
        try:
            checkpoint_state.remove_checkpoint(path, self.saver_def.version, meta_graph_suffix)
        except (OpError, OSError) as error:
            logger.warning("Ignoring: %s", error)

    # -- as data

    def as_saver_def(self) -> Any:
        """The SaverDef: the names of its operations."""
        return self.saver_def

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The SaverDef, with names relative to `export_scope`; None if the Saver is not in that scope."""
        if export_scope is None:
            return self.saver_def
        prefix = f"{export_scope}/"
        fields = ("filename_tensor_name", "save_tensor_name", "restore_op_name")
        if not all(getattr(self.saver_def, field).startswith(prefix) for field in fields):
            return None
        found = SaverDef()
        found.CopyFrom(self.saver_def)
        for field in fields:
            setattr(found, field, getattr(found, field).removeprefix(prefix))
        return found

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """A Saver with the operations that a SaverDef names, under a scope."""
        return Saver(saver_def=saver_def, name=import_scope)

    def export_meta_graph(
        self,
        filename: str | None = None,
        collection_list: Sequence[str] | None = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """The graph with its collections and this Saver, as a MetaGraphDef; see `export_meta_graph` of `df.train`."""
        found, _ = export_scoped_meta_graph(
            filename=filename,
            graph_def=get_default_graph().as_graph_def(add_shapes=True),
            saver_def=self.saver_def,
            collection_list=collection_list,
            as_text=as_text,
            export_scope=export_scope,
            clear_devices=clear_devices,
            clear_extraneous_savers=clear_extraneous_savers,
            strip_default_attrs=strip_default_attrs,
        )
        return found

    def _add_collection_def(self, meta_graph_def: Any, key: Any, export_scope: str | None = None) -> None:
        """Add a collection of the default graph to a MetaGraphDef; kept for TensorFlow 1 programs."""
        add_collection_def(meta_graph_def, key, export_scope=export_scope)


register_proto_function(GraphKeys.SAVERS, SaverDef, Saver.to_proto, Saver.from_proto)


def get_saver_or_default() -> Saver:
    """The Saver in the collection SAVERS of the default graph; a new one of all variables, which is added to it.

    RuntimeError if the collection has several.
    """
    graph = get_default_graph()
    savers = graph.get_collection(GraphKeys.SAVERS)
    if len(savers) > 1:
        raise RuntimeError(
            f"More than one item in collection {GraphKeys.SAVERS}. Please indicate which one to use by passing it to "
            "the constructor."
        )
    if savers:
        found: Saver = savers[0]
        return found
    saver = Saver(sharded=True, allow_empty=True)
    graph.add_to_collection(GraphKeys.SAVERS, saver)
    return saver


def _check_saver_def(saver_def: Any) -> None:
    if not isinstance(saver_def, SaverDef):
        raise ValueError(f"saver_def must be a saver_pb2.SaverDef: {saver_def}")
    if not saver_def.save_tensor_name:
        raise ValueError(f"saver_def must specify the save_tensor_name: {saver_def}")
    if not saver_def.restore_op_name:
        raise ValueError(f"saver_def must specify the restore_op_name: {saver_def}")


def _explained(error: OpError, cause: str) -> OpError:
    """An error of a restore, with its likely cause."""
    text = (
        f"Restoring from checkpoint failed. This is most likely due to {cause} from the checkpoint. Please ensure that "
        f"you have not altered the graph expected based on the checkpoint. Original error:\n\n{error.message}"
    )
    return type(error)(error.node_def, error.op, text)


def _text(path: Any) -> str:
    path = os.fspath(path)
    return path.decode() if isinstance(path, bytes) else str(path)
