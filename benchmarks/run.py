"""Run the benchmarks and write their tables into README.md beside this file.

make bench-peers    # once: makes the environments of the peers, in .venv-peers
make bench          # the short benchmarks, which take a few minutes
make bench-all      # all benchmarks except the slow ones
make bench-slow     # the slow ones
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from measure import FOLDER, ROUNDS, machine, today, versions

SHORT = ("csv_pipeline.py", "decoding.py", "local_run.py", "cold_run.py", "repeat.py")
LONG = (
    "tfrecord_pipeline.py",
    "queue_between_processes.py",
    "mlp.py",
    "lenet.py",
    "while_loop.py",
    "lstm.py",
    "graph_size.py",
    "queue_length.py",
    "workers.py",
    "checkpoints.py",
)
SLOW = ("memory.py", "growth.py")
SCRIPTS = SHORT + LONG + SLOW
FEW = {"memory.py": 1, "growth.py": 1}  # number of rounds of the scripts whose samples take long and hardly differ
SETS = {"short": SHORT, "all": SHORT + LONG, "slow": SLOW}


def markers(script: str) -> tuple[str, str]:
    """Return the markers before and after the section of a script."""
    return f"<!-- {script}: begin -->", f"<!-- {script}: end -->"


def put_between(text: str, script: str, table: str) -> str:
    """Return the text with this table between the markers of its script.  Raises ValueError if there are no markers."""
    begin, end = markers(script)
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"no markers {begin} and {end}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def measured(script: str, options: list[str], rounds: int) -> str:
    """Run a script.  Returns its section, and the date, the machine and the versions."""
    command = [sys.executable, str(FOLDER / script), "--rounds", str(rounds), *options]
    table = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    taken = "1 round" if rounds == 1 else f"{rounds} rounds"
    return f"{table}\n\nMeasured on {today()}, {taken}: {machine()}; {versions()}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", choices=SETS, default="short", help="which benchmarks")
    parser.add_argument("--only", choices=[name.removesuffix(".py") for name in SCRIPTS], help="one of them")
    few = ", ".join(f"{rounds} of {script}" for script, rounds in FEW.items())
    parser.add_argument("--rounds", type=int, help=f"samples of each case, {ROUNDS} by default, {few}")
    asked, options = parser.parse_known_args()  # `options` are for the script, such as --megabytes
    if options and not asked.only:
        parser.error(f"{' '.join(options)}: only with --only")
    readme = FOLDER / "README.md"
    for script in [f"{asked.only}.py"] if asked.only else SETS[asked.set]:
        table = measured(script, options, asked.rounds or FEW.get(script, ROUNDS))
        print(table, end="\n\n", flush=True)
        readme.write_text(put_between(readme.read_text(), script, table))


if __name__ == "__main__":
    main()
