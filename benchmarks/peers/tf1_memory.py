"""`memory.py` for TensorFlow 1.  Its argument: the file."""

import sys
from functools import partial
from importlib.metadata import version

from competitors import serve
from programs.stream import RECORDS_ONE, STEPS, peak

if __name__ == "__main__":  # the child processes import this file
    serve(
        f"TensorFlow {version('tensorflow-cpu')}",
        {case: partial(peak, "tensorflow.compat.v1", case, sys.argv[1]) for case in STEPS if case != RECORDS_ONE},
    )
