"""Text, number types and versions: `df.compat`; and dflow under the name `dflow.compat.v1`.

Source: tf.compat of TensorFlow 1.15.
"""

from dflow.compat import v1
from dflow.compat.forward import forward_compatibility_horizon, forward_compatible
from dflow.compat.text import (
    as_bytes,
    as_str,
    as_str_any,
    as_text,
    bytes_or_text_types,
    complex_types,
    integral_types,
    path_to_str,
    real_types,
)
from dflow.dimension import dimension_value
from dflow.tensor_shape import dimension_at_index

__all__ = [
    "as_bytes",
    "as_str",
    "as_str_any",
    "as_text",
    "bytes_or_text_types",
    "complex_types",
    "dimension_at_index",
    "dimension_value",
    "forward_compatibility_horizon",
    "forward_compatible",
    "integral_types",
    "path_to_str",
    "real_types",
    "v1",
]
