"""Write the public names of TensorFlow 1 as JSON: a list of names such as `tf.train.batch` and `tf.Session.run`.

    python tests/oracle/endpoints.py tf.train tf.Session tf.Graph ...

The arguments are modules, and classes whose attributes are asked for, and those that their subclasses have besides.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow.compat.v1 as tf

ELSEWHERE = (  # most of their names are those of other modules
    *("tf.io", "tf.random", "tf.manip", "tf.math", "tf.linalg", "tf.signal", "tf.spectral", "tf.bitwise"),
    *("tf.debugging", "tf.quantization"),
)


def look_up(name: str) -> Any:
    found: Any = tf
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def public(name: str) -> dict[str, Any]:
    """The public names of a module or a class; of a message, its fields."""
    it = look_up(name)
    if hasattr(it, "DESCRIPTOR"):
        return dict.fromkeys(field.name for field in it.DESCRIPTOR.fields)
    inherited = dir(threading.Thread) if inspect.isclass(it) and issubclass(it, threading.Thread) else []
    own = [key for key in dir(it) if key in vars(it) or key not in inherited]
    return {key: getattr(it, key, None) for key in own if not key.startswith("_")}


def endpoints(owners: list[str]) -> Iterator[str]:
    modules = ["tf", *(name for name in owners if inspect.ismodule(look_up(name)))]
    classes = [name for name in owners if name not in modules]
    known = {key for module in modules if module not in (*ELSEWHERE, "tf.image") for key in public(module)}
    for module in modules:
        for key, it in public(module).items():
            name = f"{module}.{key}"
            if module not in ELSEWHERE or key not in known or inspect.ismodule(it):
                yield name
            for base in classes:
                if inspect.isclass(it) and it is not look_up(base) and issubclass(it, look_up(base)):
                    yield from (f"{name}.{more}" for more in public(name).keys() - public(base).keys())
    for name in classes:
        yield from (f"{name}.{key}" for key in public(name))


if __name__ == "__main__":
    print(json.dumps(sorted(set(endpoints(sys.argv[1:])))))
