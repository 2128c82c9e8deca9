"""The line of the user's program that made an operation."""

import sys

_PACKAGE = __name__.partition(".")[0]


def user_line() -> str:
    """The innermost line outside of dflow that led here: `file.py:12, in main`."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] != _PACKAGE and not module.startswith("contextlib"):
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno}, in {code.co_name}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return ""
