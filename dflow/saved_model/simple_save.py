"""simple_save: a saved model in one call.  Source: tf.saved_model.simple_save of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dflow.graph import Operation
from dflow.saved_model import signature_constants, tag_constants
from dflow.saved_model.builder import SavedModelBuilder
from dflow.saved_model.signature_def_utils import predict_signature_def

__all__ = ["simple_save"]


def simple_save(
    session: Any,
    export_dir: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    legacy_init_op: Operation | None = None,
) -> None:
    """Save the graph of a session and its variables, for serving.

    inputs, outputs: tensors by name.  legacy_init_op: run after a load.
    """
    signatures = {signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: predict_signature_def(inputs, outputs)}
    builder = SavedModelBuilder(export_dir)
    builder.add_meta_graph_and_variables(
        session, [tag_constants.SERVING], signatures, main_op=legacy_init_op, clear_devices=True
    )
    builder.save()
