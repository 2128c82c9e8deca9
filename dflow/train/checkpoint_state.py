"""The file `checkpoint` of a folder, which names its newest checkpoint, and functions on the files of checkpoints.

Paths are local, or URLs of any file system that fsspec knows.
Source: checkpoint_management of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf import text_format

from dflow.checkpoints import files
from dflow.checkpoints.messages import CheckpointState
from dflow.checkpoints.writer import index_name
from dflow.errors import OpError
from dflow.graph_proto import SaverDef

__all__ = [
    "checkpoint_exists",
    "generate_checkpoint_state_proto",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "latest_checkpoint",
    "meta_graph_filename",
    "remove_checkpoint",
    "update_checkpoint_state",
]

logger = logging.getLogger("dflow.train")


def _is_absolute(path: str) -> bool:
    return os.path.isabs(path) or "://" in path


def generate_checkpoint_state_proto(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> Any:
    """A CheckpointState; its paths are relative to `save_dir` if that is relative.

    ValueError for numbers of paths and timestamps that differ.
    """
    paths = list(all_model_checkpoint_paths or [])
    times = list(all_model_checkpoint_timestamps or [])
    if not paths or paths[-1] != model_checkpoint_path:
        logger.info("%s is not in all_model_checkpoint_paths. Manually adding it.", model_checkpoint_path)
        paths.append(model_checkpoint_path)
    if times and len(times) != len(paths):
        raise ValueError(
            "Checkpoint timestamps, if provided, must match checkpoint paths "
            f"(got paths {paths} and timestamps {times})"
        )
    if not _is_absolute(save_dir):
        paths = [it if _is_absolute(it) else os.path.relpath(it, save_dir or ".") for it in paths]
        if not _is_absolute(model_checkpoint_path):
            model_checkpoint_path = os.path.relpath(model_checkpoint_path, save_dir or ".")
    state = CheckpointState(
        model_checkpoint_path=model_checkpoint_path,
        all_model_checkpoint_paths=paths,
        all_model_checkpoint_timestamps=times,
    )
    if last_preserved_timestamp is not None:
        state.last_preserved_timestamp = last_preserved_timestamp
    return state


def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the file `checkpoint` of a folder, at once.

    RuntimeError if the path of a checkpoint is that of the file itself.
    """
    write_state(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        latest_filename,
        False,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )


def write_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    latest_filename: str | None = None,
    save_relative_paths: bool = False,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """The same; save_relative_paths: paths are written relative to the folder, so that it can be moved."""
    path = _state_file(save_dir, latest_filename)
    paths = list(all_model_checkpoint_paths or [])
    if save_relative_paths:
        model_checkpoint_path = _relative(model_checkpoint_path, save_dir)
        paths = [_relative(it, save_dir) for it in paths]
    state = generate_checkpoint_state_proto(
        save_dir, model_checkpoint_path, paths, all_model_checkpoint_timestamps, last_preserved_timestamp
    )
    if path == state.model_checkpoint_path:
        raise RuntimeError(
            f"Save path '{model_checkpoint_path}' conflicts with path used for checkpoint state.  "
            "Please use a different save path."
        )
    files.replace(path, text_format.MessageToString(state).encode())


def get_checkpoint_state(checkpoint_dir: str, latest_filename: str | None = None) -> Any:
    """The CheckpointState of a folder, with paths that can be used; None if there is none, or it cannot be read.

    ValueError for a state without the path of a checkpoint.
    """
    if isinstance(checkpoint_dir, os.PathLike):
        checkpoint_dir = os.fspath(checkpoint_dir)
    path = _state_file(checkpoint_dir, latest_filename)
    try:
        if not files.exists(path):
            return None
        state = text_format.Merge(files.read(path).decode(), CheckpointState())
    except (OpError, OSError) as error:
        logger.warning("%s: %s; checkpoint ignored", path, error)
        return None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        logger.warning("%s: %s; checkpoint ignored", path, error)
        return None
    if not state.model_checkpoint_path:
        raise ValueError(f"Invalid checkpoint state loaded from {checkpoint_dir}")
    state.model_checkpoint_path = _joined(checkpoint_dir, state.model_checkpoint_path)
    for place, it in enumerate(state.all_model_checkpoint_paths):
        state.all_model_checkpoint_paths[place] = _joined(checkpoint_dir, it)
    return state


def latest_checkpoint(checkpoint_dir: str, latest_filename: str | None = None) -> str | None:
    """The prefix of the newest checkpoint of a folder; None if there is none."""
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None or not state.model_checkpoint_path:
        return None
    path: str = state.model_checkpoint_path
    if checkpoint_exists(path):
        return path
    logger.error("Couldn't match files for checkpoint %s", path)
    return None


def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Whether there is a checkpoint: a file `<prefix>.index`, or files that match the prefix itself."""
    prefix = os.fspath(checkpoint_prefix)
    return bool(files.matching(index_name(prefix))) or bool(files.matching(prefix))


def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[str]) -> list[float]:
    """The time of the last change of each checkpoint that exists, in seconds since 1970."""
    found = []
    for prefix in checkpoint_prefixes:
        names = files.matching(index_name(prefix)) or files.matching(prefix)
        if names:
            found.append(files.modified(names[0]))
    return found


def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = SaverDef.V2, meta_graph_suffix: str = "meta"
) -> None:
    """Remove the files of a checkpoint, its index first, and its graph; nothing happens if there are none."""
    _remove_matching(meta_graph_filename(checkpoint_prefix, meta_graph_suffix))
    if checkpoint_format_version == SaverDef.V2:
        _remove_matching(index_name(checkpoint_prefix))
        _remove_matching(f"{checkpoint_prefix}.data-?????-of-?????")
    else:
        _remove_matching(checkpoint_prefix)


def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """The name of the file with the graph of a checkpoint: `<prefix>.meta`."""
    basename = re.sub(r"-[\d\?]+-of-\d+$", "", checkpoint_filename)
    return f"{basename}.{meta_graph_suffix}"


# -- paths


def _state_file(folder: str, latest_filename: str | None) -> str:
    return os.path.join(folder, latest_filename or "checkpoint")


def _joined(folder: str, path: str) -> str:
    return path if _is_absolute(path) else os.path.join(folder, path)


def _relative(path: str, folder: str) -> str:
    """An absolute path relative to a folder; another one as it is."""
    if "://" in path:
        return path.removeprefix(folder.rstrip("/") + "/")
    return os.path.relpath(path, folder) if os.path.isabs(path) else path


def _remove_matching(pattern: str) -> None:
    for name in files.matching(pattern):
        files.remove(name)
