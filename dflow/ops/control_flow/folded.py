"""The operation that the compiler makes of a `while_loop`; see `compile/frames.py`.

No graph has them.  A loop whose operations are all on one device, and never wait, is `While`: one program.  Another
loop is `WhileSteps`, an operation that waits: each of its iterations is a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.registry import KernelContext, define, no_gradient
from dflow.specs import TensorSpec


def _spec(*operands: TensorSpec, code: Any) -> tuple[TensorSpec, ...]:
    raise TypeError("only the compiler makes this operation")


def _kernel(*operands: Any, code: Any) -> Any:
    raise TypeError("the device binds it to the program of the loop")


define("While", spec=_spec, kernel=_kernel, gradient=no_gradient("it is the compiler's"))


def _steps_spec(*operands: TensorSpec, loop: Any) -> tuple[TensorSpec, ...]:
    raise TypeError("only the compiler makes this operation")


def _steps_kernel(context: KernelContext, reply: Callable[..., None], *operands: Any, loop: Any) -> Callable[[], None]:
    return context.start_loop(loop, operands, reply)


define("WhileSteps", spec=_steps_spec, kernel=_steps_kernel, gradient=no_gradient("it is the compiler's"), blocks=True)
