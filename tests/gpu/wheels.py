"""The wheels for `make test-gpu` on a machine without a network.

    python -m tests.gpu.wheels fill gpu-wheels --python 3.12    # `make gpu-wheels GPU_PYTHON=3.12`
    python -m tests.gpu.wheels install gpu-wheels .venv-gpu     # done by `make test-gpu`

This file needs nothing but Python and pip.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
THERE = ("numpy", "pandas", "pyarrow")  # packages that the machine has, beside CuPy
TESTS = ("array-api-strict", "hypothesis", "pillow", "pytest", "pytest-timeout", "pytest-xdist")
MEGABYTES = 60


def requirements() -> list[str]:
    """What dflow and its tests on a GPU need, but CuPy."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *(it for it in project["optional-dependencies"]["test"] if name(it) in TESTS)]


def not_there(requirements: list[str]) -> list[str]:
    return [requirement for requirement in requirements if name(requirement) not in THERE]


def name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return found[0]


def fill(folder: Path, python: str) -> None:
    """Download the wheels; SystemExit if they are too many."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), "--only-binary", ":all:"]
    subprocess.run([*command, "--python-version", python, *not_there(requirements())], check=True)
    for wheel in folder.glob("*.whl"):
        if wheel.name.partition("-")[0].lower() in THERE:
            wheel.unlink()
    size = sum(wheel.stat().st_size for wheel in folder.glob("*.whl")) / 1e6
    print(f"{folder}: {size:.0f} MB for Python {python}")
    if size > MEGABYTES:
        raise SystemExit(f"the wheels have {size:.0f} MB, more than {MEGABYTES}")


def install(folder: Path, environment: Path) -> None:
    """Make an environment on top of the machine's packages: of the wheels in the folder, if there are any.

    SystemExit if the machine lacks a package that is not among the wheels.
    """
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(environment)], check=True)
    command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    wanted = requirements()
    if any(folder.glob("*.whl")):
        missing = [package for package in THERE if importlib.util.find_spec(package) is None]
        if missing:
            fact = f"{sys.executable} has no {', '.join(missing)}, and {folder} does not have them either: install them"
            raise SystemExit(f"{fact}, or remove {folder} to take all packages from the network")
        command += ["--no-index", "--find-links", str(folder)]
        wanted = not_there(wanted)
    subprocess.run([*command, *wanted], check=True)


if __name__ == "__main__":
    action, first, *more = sys.argv[1:]
    if action == "fill":
        fill(Path(first), more[more.index("--python") + 1] if "--python" in more else sys.version.partition(" ")[0])
    else:
        install(Path(first), Path(more[0]))
