"""Small TensorFlow 1 programs.  A program is a public function `program(tf, folder)` of a module of this folder.

`tf` is `tensorflow.compat.v1` or `dflow`, with an empty default graph; `folder` is an empty folder of its own.  It
gives a dictionary: what was found, part by part.  The values are those of `tests/oracle/tools.py:canonical`, and do
not depend on time or chance.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Program = Callable[[Any, Path], dict[str, Any]]


def all_programs() -> dict[str, Program]:
    """Each program under its name, such as `fifo_queue.order`."""
    found: dict[str, Program] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        members = vars(importlib.import_module(f"{__name__}.{module}")).items()
        for name, it in members:
            if inspect.isfunction(it) and it.__module__.endswith(module) and not name.startswith("_"):
                found[f"{module}.{name}"] = it
    return found
