"""Run every check that needs a GPU, within ten minutes, and write one report.

    make gpu-wheels                                     # where there is a network: fill the folder gpu-wheels
    make test-gpu                                       # on the machine with the GPU, with or without a network
    make test-gpu GPU_REPORT=report.md GPU_MINUTES=9

The machine needs Python, CuPy, NumPy, pandas and pyarrow.  Everything else comes from the folder of wheels, if it is
there.  Without a GPU the same checks run on stand-ins: the arrays of `array_api_strict`, and a virtual GPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.gpu.checks import Check, checks

ROOT = Path(__file__).parents[2]
TAIL = 30  # lines of the output of a check that failed
VERSIONS = ("numpy", "cupy", "scipy", "dask", "distributed", "pandas", "pyarrow", "torch")


@dataclass(frozen=True)
class Result:
    check: Check
    state: str  # passed, failed, stopped (it ran past its limit) or left out (no time was left)
    seconds: float
    output: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.run", description="The checks that need a GPU.")
    parser.add_argument("--report", type=Path, default=ROOT / "build" / "gpu.md", help="the file to write")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all checks together")
    parser.add_argument("names", nargs="*", help="of checks; by default all")
    options = parser.parse_args()
    ends = time.monotonic() + options.minutes * 60
    gpus = gpu_names()
    results = []
    for check in checks(bool(gpus)):
        if options.names and check.name not in options.names:
            continue
        result = run(check, min(check.limit_s, ends - time.monotonic()))
        print(f"{check.name}: {result.state} in {result.seconds:.0f} s", flush=True)
        results.append(result)
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(report(gpus, results))  # after each: what comes next may be killed
    print(f"the report is in {options.report}")
    return 0 if all(result.state == "passed" for result in results) else 1


def gpu_names() -> list[str]:
    """The GPUs that CuPy sees."""
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
        return [cupy.cuda.runtime.getDeviceProperties(i)["name"].decode() for i in range(count)]
    except Exception:
        return []


def run(check: Check, limit_s: float) -> Result:
    """Run a check in a process of its own, with all processes that it starts."""
    if limit_s < 5:
        return Result(check, "left out", 0.0, "")
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *check.command],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_s)
        state = "passed" if process.returncode == 0 else "failed"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        state = "stopped"
    return Result(check, state, time.monotonic() - started, output)


def report(gpus: list[str], results: list[Result]) -> str:
    """The report, in Markdown."""
    where = ", ".join(gpus) if gpus else "no GPU: stand-in arrays and a virtual GPU"
    lines = [
        f"Run on {platform.platform()}, {os.cpu_count()} processors, {where}; {versions()}.",
        "",
        "| check | result | seconds | what it is |",
        "| --- | --- | --- | --- |",
        *(f"| {it.check.name} | {it.state} | {it.seconds:.0f} | {it.check.about} |" for it in results),
    ]
    for result in results:
        if result.state == "passed" and not result.check.table:
            continue
        output = result.output.splitlines()
        shown = tables(output) if result.state == "passed" else ["```", *output[-TAIL:], "```"]
        lines += ["", f"### {result.check.name}", "", *shown]
    return "\n".join(lines) + "\n"


def tables(output: list[str]) -> list[str]:
    """The lines of Markdown tables, and the lines that begin with a star."""
    return [line for line in output if line.startswith(("|", "* "))]


def versions() -> str:
    from importlib.metadata import PackageNotFoundError, distributions, version

    found = [f"Python {platform.python_version()}"]
    for name in VERSIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # CuPy's packages have names such as cupy-cuda12x
            found += [
                f"{it.metadata['Name']} {it.version}"
                for it in distributions()
                if str(it.metadata["Name"]).startswith(f"{name}-cuda")
            ]
    return ", ".join(found)


if __name__ == "__main__":
    sys.exit(main())
