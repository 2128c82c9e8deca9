"""Writing saved models: one set of variables, and graphs for several uses of them.

Source: tf.saved_model.builder of TensorFlow 1.15.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dflow.checkpoints import files
from dflow.graph import GraphKeys, Operation, Tensor, get_default_graph
from dflow.graph_proto import AssetFileDef, SavedModel
from dflow.ops.rules.static import constant_value
from dflow.saved_model import constants
from dflow.train.collections import as_any
from dflow.train.graph_files import write_message
from dflow.train.saver import Saver

__all__ = ["SavedModelBuilder"]


class SavedModelBuilder:
    """Puts a saved model together in a folder.

    export_dir: a folder that does not exist, or is empty; otherwise AssertionError.  A local path, or a URL of any file
    system that fsspec knows.
    """

    def __init__(self, export_dir: str) -> None:
        if files.matching(os.path.join(export_dir, "*")):
            raise AssertionError(
                "Export directory already exists, and isn't empty. Please choose a different export directory, or "
                f"delete all the contents of the specified directory: {export_dir}"
            )
        files.make_directories(export_dir)
        self._export_dir = export_dir
        self._saved_model = SavedModel(saved_model_schema_version=constants.SAVED_MODEL_SCHEMA_VERSION)
        self._has_saved_variables = False

    def add_meta_graph_and_variables(
        self,
        sess: Any,
        tags: Sequence[str],
        signature_def_map: Mapping[str, Any] | None = None,
        assets_collection: Sequence[Tensor] | None = None,
        legacy_init_op: Operation | None = None,
        clear_devices: bool = False,
        main_op: Operation | None = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Add the graph of a session, and its variables as they are; once, before other graphs.

        tags: the uses of the graph.  signature_def_map: its signatures by name.  assets_collection: constants with the
        names of files that the model needs, which are copied.  main_op, or legacy_init_op: run after a load.
        saver: which saves the variables; None: all of them.  AssertionError at a second call.
        """
        if self._has_saved_variables:
            raise AssertionError(
                "Graph state including variables and assets has already been saved. Please invoke `add_meta_graph()` "
                "instead."
            )
        with sess.graph.as_default():
            saver = self._prepared(saver, signature_def_map, assets_collection, main_op or legacy_init_op,
                                   constants.MAIN_OP_KEY if main_op else constants.LEGACY_INIT_OP_KEY)  # fmt: skip
            folder = os.path.join(self._export_dir, constants.VARIABLES_DIRECTORY)
            files.make_directories(folder)
            path = os.path.join(folder, constants.VARIABLES_FILENAME)
            saver.save(sess, path, write_meta_graph=False, write_state=False)
            self._add(saver, tags, signature_def_map, clear_devices, strip_default_attrs)
        self._has_saved_variables = True

    def add_meta_graph(
        self,
        tags: Sequence[str],
        signature_def_map: Mapping[str, Any] | None = None,
        assets_collection: Sequence[Tensor] | None = None,
        legacy_init_op: Operation | None = None,
        clear_devices: bool = False,
        main_op: Operation | None = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Add the default graph, for another use of the same variables.

        The arguments are those of `add_meta_graph_and_variables`, which comes first; otherwise AssertionError.
        """
        if not self._has_saved_variables:
            raise AssertionError(
                "Graph state including variables and assets has not been saved yet. Please invoke "
                "`add_meta_graph_and_variables()` first."
            )
        saver = self._prepared(saver, signature_def_map, assets_collection, main_op or legacy_init_op,
                               constants.MAIN_OP_KEY if main_op else constants.LEGACY_INIT_OP_KEY)  # fmt: skip
        self._add(saver, tags, signature_def_map, clear_devices, strip_default_attrs)

    def save(self, as_text: bool = False) -> str:
        """Write the file of the graphs; gives its path."""
        name = constants.SAVED_MODEL_FILENAME_PBTXT if as_text else constants.SAVED_MODEL_FILENAME_PB
        path = os.path.join(self._export_dir, name)
        write_message(self._saved_model, path, as_text)
        return path

    # -- parts

    def _prepared(
        self, saver: Saver | None, signatures: Mapping[str, Any] | None, assets: Any, first: Any, key: str
    ) -> Saver:
        """Check the signatures, copy the assets, note the first operation; gives the Saver."""
        for signature in (signatures or {}).values():
            for info in (*signature.inputs.values(), *signature.outputs.values()):
                _check(info)
        if first is not None:
            if not isinstance(first, Operation):
                raise TypeError(f"{key} needs to be an Operation: {first!r}")
            get_default_graph().add_to_collection(key, first)
        self._copy_assets(assets or ())
        if saver is not None:
            return saver
        items = [it for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.SAVEABLE_OBJECTS) for it in
                 get_default_graph().get_collection(key)]  # fmt: skip
        return Saver(items, sharded=True, allow_empty=True)

    def _copy_assets(self, assets: Sequence[Tensor]) -> None:
        collection = get_default_graph().get_collection_ref(constants.ASSETS_KEY)
        folder = os.path.join(self._export_dir, constants.ASSETS_DIRECTORY)
        for tensor in assets:
            path = _path_of(tensor)
            name = os.path.basename(path)
            made = AssetFileDef(filename=name)
            made.tensor_info.name = tensor.name
            collection.append(as_any(made))
            files.make_directories(folder)
            target = os.path.join(folder, name)
            if not files.exists(target):
                data = files.read(path)
                files.write(target, _writer(data))

    def _add(
        self, saver: Saver, tags: Sequence[str], signatures: Mapping[str, Any] | None, clear_devices: bool, strip: bool
    ) -> None:
        made = saver.export_meta_graph(clear_devices=clear_devices, strip_default_attrs=strip)
        made.meta_info_def.tags.extend([tags] if isinstance(tags, str) else tags)
        for name, signature in (signatures or {}).items():
            made.signature_def[name].CopyFrom(signature)
        for asset in get_default_graph().get_collection(constants.ASSETS_KEY):
            made.asset_file_def.append(AssetFileDef.FromString(asset.value))
        self._saved_model.meta_graphs.append(made)


def _writer(data: bytes) -> Callable[[Any], Any]:
    return lambda file: file.write(data)


def _check(info: Any) -> None:
    if info.WhichOneof("encoding") is None:
        raise AssertionError(f"All TensorInfo protos used in the SignatureDefs must have the name field set: {info}")
    if not info.dtype:
        raise AssertionError(f"All TensorInfo protos used in the SignatureDefs must have the dtype field set: {info}")


def _path_of(tensor: Any) -> str:
    value = constant_value(tensor) if isinstance(tensor, Tensor) else None
    if value is None or value.dtype != object or value.ndim:
        raise ValueError(f"Invalid asset filepath tensor {tensor}: a constant with the name of a file is needed")
    path: str = value.item().decode()
    return path
