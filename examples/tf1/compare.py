"""Run the examples with dflow and with TensorFlow, on the same data, and compare their losses and times.

    python examples/tf1/compare.py --tensorflow PYTHON [--steps 40] [--tolerance 0.01] [example ...]

PYTHON is that of an environment with TensorFlow and NumPy.  The example is the same file for both systems, but for the
line that imports dflow.  The time of a step is the median of all steps but the first five, from the start of a step to
its loss.  Both systems may use all cores.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = (
    "softmax",
    "multilayer",
    "lenet",
    "colour_images",
    "two_towers",
    "word2vec",
    "autoencoder",
    "linear_csv",
    "language_model",
    "characters",
    "sequences",
)
STEPS, TOLERANCE, FIRST = 40, 1e-2, 5


def use_tensorflow() -> str:
    """Let `import dflow as tf` in this process import TensorFlow.  Gives its name and version."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    tf.disable_control_flow_v2()
    # TensorFlow 2.16 and later do not find their own cells beside Keras 3
    tf.nn.rnn_cell = importlib.import_module("tensorflow.python.keras.layers.legacy_rnn.rnn_cell_impl")
    sys.modules["dflow"] = tf
    return f"TensorFlow {tf.__version__}"


def losses_and_time(example: str, steps: int) -> tuple[list[float], float]:
    """The loss of each step, and the time of a step in seconds."""
    module = __import__(example)
    losses, times = [], []
    start = time.perf_counter()
    for loss in module.train(steps):
        losses.append(float(loss))
        times.append(time.perf_counter() - start)
        start = time.perf_counter()
    return losses, statistics.median(times[FIRST:] or times)


def largest_difference(ours: list[float], theirs: list[float]) -> float:
    """The largest difference of two losses of a step, as a part of the larger one of them and of 1."""
    return max(abs(a - b) / max(abs(a), abs(b), 1.0) for a, b in zip(ours, theirs, strict=True))


def run(python: str, library: str, examples: list[str], steps: int) -> dict[str, Any]:
    """What a process says of the examples that it runs with a library: the version, and losses and time by example."""
    command = [python, str(HERE / "compare.py"), *examples, "--steps", str(steps), "--inside", library]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def inside(library: str, examples: list[str], steps: int) -> None:
    """Print what `run` reads."""
    if library == "tensorflow":
        version = use_tensorflow()
    else:
        import dflow

        version = f"dflow {dflow.__version__}"
    results = {example: losses_and_time(example, steps) for example in examples}
    print(json.dumps({"version": version, "results": results}))


def table(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The lines of a table of two results, in Markdown."""
    lines = [
        "| example | last loss: dflow | TensorFlow | largest difference | step: dflow | TensorFlow | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for example, (losses, seconds) in ours["results"].items():
        others, other_seconds = theirs["results"][example]
        lines.append(
            f"| `{example}.py` | {losses[-1]:.4f} | {others[-1]:.4f} | {largest_difference(losses, others):.1e} "
            f"| {seconds * 1e3:.2f} ms | {other_seconds * 1e3:.2f} ms | {other_seconds / seconds:.2f} |"
        )
    return lines


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("examples", nargs="*", help="all if none is named")
    options.add_argument("--tensorflow", metavar="PYTHON", help="the Python of an environment with TensorFlow")
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--tolerance", type=float, default=TOLERANCE, help="of the losses; default: %(default)s")
    options.add_argument("--inside", choices=["dflow", "tensorflow"], help=argparse.SUPPRESS)
    given = options.parse_args()
    examples = given.examples or list(EXAMPLES)
    if given.inside:
        inside(given.inside, examples, given.steps)
        return
    if not given.tensorflow:
        options.error("give the Python of an environment with TensorFlow: --tensorflow PYTHON")
    ours = run(sys.executable, "dflow", examples, given.steps)
    theirs = run(given.tensorflow, "tensorflow", examples, given.steps)
    print(f"{ours['version']} and {theirs['version']}, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    print("\n".join(table(ours, theirs)))
    pairs = {name: (losses, theirs["results"][name][0]) for name, (losses, _) in ours["results"].items()}
    wrong = [name for name, (a, b) in pairs.items() if largest_difference(a, b) > given.tolerance]
    if wrong:
        sys.exit(f"the losses differ by more than {given.tolerance}: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
