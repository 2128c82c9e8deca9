"""All of dflow under the name that programs import TensorFlow 1 by: `import dflow.compat.v1 as tf`.

`__version__` is the version of TensorFlow whose names these are; `dflow.__version__` is dflow's own.
Source: tf.compat.v1 of TensorFlow 1.15.
"""

from __future__ import annotations

import sys
from typing import Any

from dflow.version import VERSION

__version__ = VERSION

__all__: list[str]  # that of dflow, see __getattr__


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(sys.modules["dflow"], name)


def __dir__() -> list[str]:
    return ["__version__", *dir(sys.modules["dflow"])]
