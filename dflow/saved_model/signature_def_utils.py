"""Signatures: what a saved model takes and gives.  Source: tf.saved_model.signature_def_utils of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dflow.dtypes import float32, string
from dflow.graph_proto import SignatureDef
from dflow.saved_model import signature_constants as names
from dflow.saved_model.utils import build_tensor_info
from dflow.tensor_proto import DATA_TYPES

__all__ = [
    "build_signature_def",
    "classification_signature_def",
    "is_valid_signature",
    "predict_signature_def",
    "regression_signature_def",
]


def build_signature_def(
    inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None, method_name: str | None = None
) -> Any:
    """A SignatureDef of TensorInfos by name."""
    made = SignatureDef(method_name=method_name or "")
    for infos, target in ((inputs, made.inputs), (outputs, made.outputs)):
        for name, info in (infos or {}).items():
            target[name].CopyFrom(info)
    return made


def regression_signature_def(examples: Any, predictions: Any) -> Any:
    """The signature of a regression: strings, serialized Examples, to float32 numbers."""
    _needed(examples=examples, predictions=predictions)
    inputs, outputs = build_tensor_info(examples), build_tensor_info(predictions)
    if inputs.dtype != DATA_TYPES[string]:
        raise ValueError("Regression input tensors must be of type string.")
    if outputs.dtype != DATA_TYPES[float32]:
        raise ValueError("Regression output tensors must be of type float.")
    return build_signature_def(
        {names.REGRESS_INPUTS: inputs}, {names.REGRESS_OUTPUTS: outputs}, names.REGRESS_METHOD_NAME
    )


def classification_signature_def(examples: Any, classes: Any, scores: Any) -> Any:
    """The signature of a classification: strings, serialized Examples, to strings, their classes, and scores."""
    _needed(examples=examples)
    if classes is None and scores is None:
        raise ValueError("Classification classes and scores cannot both be None.")
    inputs, outputs = build_tensor_info(examples), {}
    if inputs.dtype != DATA_TYPES[string]:
        raise ValueError("Classification input tensors must be of type string.")
    if classes is not None:
        outputs[names.CLASSIFY_OUTPUT_CLASSES] = build_tensor_info(classes)
        if outputs[names.CLASSIFY_OUTPUT_CLASSES].dtype != DATA_TYPES[string]:
            raise ValueError("Classification classes must be of type string Tensor.")
    if scores is not None:
        outputs[names.CLASSIFY_OUTPUT_SCORES] = build_tensor_info(scores)
        if outputs[names.CLASSIFY_OUTPUT_SCORES].dtype != DATA_TYPES[float32]:
            raise ValueError("Classification scores must be of type float Tensor.")
    return build_signature_def({names.CLASSIFY_INPUTS: inputs}, outputs, names.CLASSIFY_METHOD_NAME)


def predict_signature_def(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
    """The signature of any tensors by name."""
    if not inputs:
        raise ValueError("Prediction inputs cannot be None or empty.")
    if not outputs:
        raise ValueError("Prediction outputs cannot be None or empty.")
    return build_signature_def(
        {name: build_tensor_info(tensor) for name, tensor in inputs.items()},
        {name: build_tensor_info(tensor) for name, tensor in outputs.items()},
        names.PREDICT_METHOD_NAME,
    )


def is_valid_signature(signature_def: Any) -> bool:
    """Whether a server takes it: it has inputs and outputs as its method needs them."""
    if signature_def is None or not signature_def.inputs or not signature_def.outputs:
        return False
    method, inputs, outputs = signature_def.method_name, signature_def.inputs, signature_def.outputs
    text, number = DATA_TYPES[string], DATA_TYPES[float32]
    if method == names.PREDICT_METHOD_NAME:
        return True
    if method == names.REGRESS_METHOD_NAME:
        return (
            set(inputs) == {names.REGRESS_INPUTS}
            and inputs[names.REGRESS_INPUTS].dtype == text
            and set(outputs) == {names.REGRESS_OUTPUTS}
            and outputs[names.REGRESS_OUTPUTS].dtype == number
        )
    if method == names.CLASSIFY_METHOD_NAME:
        kinds = {names.CLASSIFY_OUTPUT_CLASSES: text, names.CLASSIFY_OUTPUT_SCORES: number}
        return (
            set(inputs) == {names.CLASSIFY_INPUTS}
            and inputs[names.CLASSIFY_INPUTS].dtype == text
            and all(name in kinds and info.dtype == kinds[name] for name, info in outputs.items())
        )
    return False


def _needed(**tensors: Any) -> None:
    for name, tensor in tensors.items():
        if tensor is None:
            raise ValueError(f"{name} cannot be None.")
