"""The entry of a program: `df.app.run()` parses the flags and calls `main`.  Source: tf.app of TensorFlow 1.15."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app as _absl

from dflow import flags

__all__ = ["flags", "run"]


def run(main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None) -> NoReturn:
    """Parse the flags, call `main` with the remaining arguments, and exit with its result.

    main: None for the function `main` of the program.  argv: None for the command line.  Unknown flags are left alone.
    """
    main = main or sys.modules["__main__"].main
    _absl.run(main=main, argv=None if argv is None else list(argv), flags_parser=_known_flags)
    raise AssertionError("absl exits")


def _known_flags(argv: Sequence[str] | None) -> list[str]:
    rest: list[str] = flags.FLAGS(sys.argv if argv is None else argv, known_only=True)
    return rest
