"""Kill a program with SIGKILL while it saves, again and again, and restore its newest checkpoint each time.

    python tests/checkpoints/kill_saves.py FOLDER KILLS [SEED]

A line for each kill: the steps whose save had ended before it and had begun, and the one that was restored.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import IO

import numpy as np

import dflow as df

SIZE = 20_000
KEPT = 3  # checkpoints; others are removed while the program saves


def model() -> tuple[df.Variable, df.Variable, df.train.Saver]:
    step = df.Variable(np.int64(0), name="step")
    parts = [df.Variable(np.zeros(SIZE), name=f"part_{i}") for i in range(2)]
    both = df.group(*(part.assign(df.fill([SIZE], df.cast(step, df.float64) + i)) for i, part in enumerate(parts)))
    return step, both, df.train.Saver(max_to_keep=KEPT)


def checked_restore(folder: str, sess: df.Session, saver: df.train.Saver) -> int:
    """Restore the newest checkpoint; its step, or -1 if there is none.  AssertionError if it has parts of two steps."""
    newest = df.train.latest_checkpoint(folder)
    if newest is None:
        return -1
    saver.restore(sess, newest)
    saver.recover_last_checkpoints(df.train.get_checkpoint_state(folder).all_model_checkpoint_paths)
    found, *parts = sess.run(["step:0", "part_0:0", "part_1:0"])
    for i, values in enumerate(parts):
        assert (values == found + i).all(), (newest, found, i, values.min(), values.max())
    assert newest.endswith(f"-{found}"), (newest, found)
    return int(found)


def save_on(folder: str, tell: IO[bytes], more: bool) -> None:
    """Restore the newest checkpoint and, if `more`, go on from it: save each step, until the process is killed."""
    with df.Graph().as_default(), df.Session() as sess:
        step, both, saver = model()
        sess.run(df.global_variables_initializer())
        tell.write(b"=%d\n" % checked_restore(folder, sess, saver))
        add = step.assign_add(1)
        while more:
            number = int(sess.run(add))
            sess.run(both)
            tell.write(b"+%d\n" % number)
            saver.save(sess, f"{folder}/m", global_step=number)
            tell.write(b"-%d\n" % number)


def in_child(work: Callable[[IO[bytes]], object]) -> tuple[int, IO[bytes]]:
    """Start a process; what it writes to its file can be read from the one that is given."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            work(os.fdopen(writing, "wb", buffering=0))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    return child, os.fdopen(reading, "rb", buffering=0)


def killed_once(folder: str, chance: random.Random) -> dict[str, int]:
    """Kill the program at a random moment of its first or second save: the last steps restored, begun and ended."""
    child, told = in_child(lambda tell: save_on(folder, tell, True))
    text, seconds, began = b"", 0.03, 0.0
    wanted = chance.randint(1, 2)
    while text.count(b"+") < wanted:
        piece = os.read(told.fileno(), 1 << 16)
        assert piece, "the program ended"
        text += piece
        if b"-" in piece and began:
            seconds = time.monotonic() - began
        began = time.monotonic()
    select.select([], [], [], chance.uniform(0, seconds))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), status
    with told:
        return steps_in(text + (told.read() or b""))


def steps_in(text: bytes) -> dict[str, int]:
    last = {chr(line[0]): int(line[1:]) for line in text.split()}
    return {name: last.get(sign, last["="]) for name, sign in (("restored", "="), ("begun", "+"), ("ended", "-"))}


def newest_step(folder: str) -> int:
    child, told = in_child(lambda tell: save_on(folder, tell, False))
    with told:
        text = told.read() or b""
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    return steps_in(text)["restored"]


def main(folder: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    before = {"restored": -1, "begun": -1, "ended": -1}
    done = 0
    while done <= kills:
        now = killed_once(folder, chance) if done < kills else {"restored": newest_step(folder), "begun": 0, "ended": 0}
        assert before["ended"] <= now["restored"] <= before["begun"], (before, now)
        if before["ended"] < before["begun"]:  # else it was killed between two saves
            print(before["ended"], before["begun"], now["restored"], flush=True)
        done += now["ended"] < now["begun"] or done == kills
        before = now


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
