"""The operation that the compiler makes of a `while_loop`; see `compile/frames.py`.

No graph has it.  A loop whose operations are all on one device, and never wait, is `While`: one program.
"""

from __future__ import annotations

from typing import Any

from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec


def _spec(*operands: TensorSpec, code: Any) -> tuple[TensorSpec, ...]:
    raise TypeError("only the compiler makes this operation")


def _kernel(*operands: Any, code: Any) -> Any:
    raise TypeError("the device binds it to the program of the loop")


define("While", spec=_spec, kernel=_kernel, gradient=no_gradient("it is the compiler's"))
