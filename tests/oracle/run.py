"""Run the programs with one of the two libraries and write what they give.

    python tests/oracle/run.py tensorflow results.jsonl
    python tests/oracle/run.py dflow results.jsonl fifo_queue.order ...

Needs NumPy and the library.  Each program has a graph, a folder, a thread and a time limit of its own.  Each
writes a line of JSON: `{"program": name, "result": ...}`, with "raised" (a text) or "late" (seconds) instead of
"result" for a program that failed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0  # a program


def the_library(name: str) -> Any:
    """`tensorflow.compat.v1` with the behaviour of version 1, or dflow."""
    if name == "dflow":
        import dflow

        return dflow
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    return tf


def outcome(tf: Any, program: Any, seconds: float) -> dict[str, Any]:
    """What a program gives, as JSON."""
    from tests.oracle.tools import canonical

    found: dict[str, Any] = {}

    def work() -> None:
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, tf.Graph().as_default():
                found["result"] = canonical(program(tf, Path(folder)), folder)
        except BaseException:
            found.clear()
            found["raised"] = traceback.format_exc()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return {"late": seconds} if thread.is_alive() else found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("library", choices=["tensorflow", "dflow"])
    options.add_argument("results", type=Path)
    options.add_argument("programs", nargs="*", help="all if none is named")
    options.add_argument("--seconds", type=float, default=SECONDS, help="the time limit of a program")
    given = options.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.oracle.programs import all_programs

    tf, programs = the_library(given.library), all_programs()
    with given.results.open("w") as results:
        for name in given.programs or programs:
            print(json.dumps({"program": name, **outcome(tf, programs[name], given.seconds)}), file=results, flush=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a program that is late still holds threads


if __name__ == "__main__":
    main()
