"""QueueRunnerDef: the message that describes a queue runner by names in a graph and by error codes.

Source: queue_runner.proto and error_codes.proto of TensorFlow 1.15.
"""

from __future__ import annotations

from dflow import errors
from dflow.protos import messages

_CODES = {name: code for name, code in vars(errors).items() if name.isupper() and isinstance(code, int)}

(QueueRunnerDef,) = messages(
    "queue_runner.proto",
    {
        "QueueRunnerDef": [
            ("queue_name", 1, "string"),
            ("enqueue_op_name", 2, "repeated string"),
            ("close_op_name", 3, "string"),
            ("cancel_op_name", 4, "string"),
            ("queue_closed_exception_types", 5, "repeated Code"),
        ]
    },
    __name__,
    enums={"Code": _CODES},
)
