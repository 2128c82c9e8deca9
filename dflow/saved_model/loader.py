"""Reading saved models.  Source: tf.saved_model.loader of TensorFlow 1.15."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from dflow.checkpoints import files
from dflow.checkpoints.writer import index_name
from dflow.graph_proto import SavedModel
from dflow.saved_model import constants
from dflow.train.saver_import import import_with_return_elements

__all__ = ["contains_saved_model", "load", "maybe_saved_model_directory"]


def maybe_saved_model_directory(export_dir: str) -> bool:
    """Whether a folder has the file of a saved model."""
    names = (constants.SAVED_MODEL_FILENAME_PBTXT, constants.SAVED_MODEL_FILENAME_PB)
    return any(files.exists(os.path.join(export_dir, name)) for name in names)


contains_saved_model = maybe_saved_model_directory


def parse_saved_model(export_dir: str) -> Any:
    """The SavedModel of a folder; IOError if it is missing, or cannot be read."""
    bytes_path = os.path.join(export_dir, constants.SAVED_MODEL_FILENAME_PB)
    text_path = os.path.join(export_dir, constants.SAVED_MODEL_FILENAME_PBTXT)
    try:
        if files.exists(bytes_path):
            return SavedModel.FromString(files.read(bytes_path))
        if files.exists(text_path):
            return text_format.Merge(files.read(text_path).decode(), SavedModel())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise OSError(f"Cannot parse file {export_dir}: {error}.") from None
    raise OSError(
        f"SavedModel file does not exist at: {export_dir}/"
        f"{{{constants.SAVED_MODEL_FILENAME_PBTXT}|{constants.SAVED_MODEL_FILENAME_PB}}}"
    )


def load(sess: Any, tags: Sequence[str], export_dir: str, import_scope: str | None = None, **saver_kwargs: Any) -> Any:
    """Bring the graph of a saved model with these tags into the graph of a session, with its variables.

    Gives its MetaGraphDef.  saver_kwargs: further arguments of `import_meta_graph`.
    RuntimeError if there is no graph with exactly these tags; IOError if there is no saved model.
    """
    model = parse_saved_model(export_dir)
    wanted = {tags} if isinstance(tags, str) else set(tags)
    found = next((it for it in model.meta_graphs if set(it.meta_info_def.tags) == wanted), None)
    if found is None:
        there = [sorted(it.meta_info_def.tags) for it in model.meta_graphs]
        raise RuntimeError(
            f"MetaGraphDef associated with tags {sorted(wanted)} could not be found in SavedModel. "
            f"It has the tags {there}"
        )
    with sess.graph.as_default():
        saver, _ = import_with_return_elements(found, import_scope=import_scope, **saver_kwargs)
        variables = os.path.join(export_dir, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        if saver is not None and files.exists(index_name(variables)):
            saver.restore(sess, variables)
        _run_first(sess, found, export_dir, import_scope)
    return found


def _run_first(sess: Any, meta_graph_def: Any, export_dir: str, scope: str | None) -> None:
    """Run the model's first operation, fed with the names of its copied files."""
    prefix = f"{scope}/" if scope else ""
    for key in (constants.MAIN_OP_KEY, constants.LEGACY_INIT_OP_KEY):
        names = meta_graph_def.collection_def[key].node_list.value if key in meta_graph_def.collection_def else []
        if names:
            folder = os.path.join(export_dir, constants.ASSETS_DIRECTORY)
            feeds = {prefix + it.tensor_info.name: os.path.join(folder, it.filename)
                     for it in meta_graph_def.asset_file_def}  # fmt: skip
            sess.run(prefix + names[0], feeds)
            return
