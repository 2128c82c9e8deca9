"""Run all benchmarks, and write their tables into README.md beside this file.

make bench-peers    # once: an environment with TensorFlow, in .venv-peers
make bench
"""

from __future__ import annotations

import subprocess
import sys

from measure import FOLDER, machine, rounds_asked, today, versions

SCRIPTS = ("csv_pipeline.py", "decoding.py", "local_run.py", "cold_run.py")
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def put_between(text: str, tables: str) -> str:
    """The text, with these tables between its markers.  ValueError if it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def main() -> None:
    rounds = rounds_asked(__doc__)
    measured = f"Measured on {today()}, {rounds} rounds.\n\n* {machine()}\n* {versions()}"
    parts = [measured]
    for script in SCRIPTS:
        command = [sys.executable, str(FOLDER / script), "--rounds", str(rounds)]
        parts.append(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
        print(parts[-1], end="\n\n", flush=True)
    readme = FOLDER / "README.md"
    readme.write_text(put_between(readme.read_text(), "\n\n".join(parts)))


if __name__ == "__main__":
    main()
