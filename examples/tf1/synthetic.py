"""Data for the examples, made from a seed, and the command line that they share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]


def digits(count: int, seed: int = 0) -> tuple[Floats, Integers]:
    """Images of 28 x 28 pixels from 0 to 1, as rows of 784, and which of ten patterns they show, with noise."""
    patterns = np.random.default_rng(100).random((10, 784)) > 0.7
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.int32)
    images = 0.6 * patterns[labels] + 0.4 * rng.random((count, 784))
    return images.astype(np.float32), labels


def colour_files(folder: Path, files: int = 2, records: int = 200) -> list[str]:
    """Files of records of fixed length: a byte with the class, and 32 x 32 pixels of three bytes, colour by colour."""
    rng = np.random.default_rng(0)
    paths = [folder / f"images-{i}.bin" for i in range(files)]
    for path in paths:
        labels = rng.integers(0, 10, records)
        shades = rng.integers(0, 100, (records, 3 * 32 * 32)) + 15 * labels[:, None]
        path.write_bytes(np.column_stack([labels, shades]).astype(np.uint8).tobytes())
    return [str(path) for path in paths]


def words(count: int, vocabulary: int) -> Integers:
    """A text as the numbers of its words, frequent ones first; each word has a few that often follow it."""
    rng = np.random.default_rng(0)
    followers = np.minimum(rng.zipf(1.5, (vocabulary, 4)) - 1, vocabulary - 1)
    text = [0]
    for choice, other in zip(rng.integers(0, 5, count), rng.integers(0, vocabulary, count), strict=True):
        text.append(int(other) if choice == 4 else int(followers[text[-1], choice]))
    return np.array(text[1:], np.int32)


def windows(text: Integers, size: int, length: int, steps: int) -> Iterator[tuple[Integers, Integers]]:
    """For each step, `size` pieces of a text and those one later.  Each goes on from that of the step before."""
    rows = np.reshape(text[: len(text) // size * size], (size, -1))
    for step in range(steps):
        start = step * length % (rows.shape[1] - length)
        yield rows[:, start : start + length], rows[:, start + 1 : start + length + 1]


def sequences(count: int, longest: int, classes: int) -> tuple[Floats, Integers, Integers]:
    """Sequences of points on a spiral, their lengths, and their classes: how fast they turn.  Zeros fill them up."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, longest + 1, count).astype(np.int32)
    labels = rng.integers(0, classes, count).astype(np.int32)
    times = np.arange(longest)
    angles = rng.random((count, 1)) * 6 + times * (labels[:, None] + 1) * 0.4
    points = np.stack([np.cos(angles), np.sin(angles)], 2) + 0.1 * rng.standard_normal((count, longest, 2))
    return (points * (times < lengths[:, None])[:, :, None]).astype(np.float32), lengths, labels


def csv_file(folder: Path, rows: int = 1000) -> str:
    """A CSV file with a header and four columns: three numbers, and one that follows from these, with noise."""
    rng = np.random.default_rng(0)
    inputs = rng.random((rows, 3))
    prices = inputs @ [3.0, -2.0, 0.5] + 1.0 + 0.05 * rng.standard_normal(rows)
    path = folder / "prices.csv"
    lines = [",".join(f"{value:.6f}" for value in row) for row in np.column_stack([inputs, prices])]
    path.write_text("\n".join(["size,age,rooms,price", *lines]) + "\n")
    return str(path)


def batches(images: Floats, labels: Integers, size: int, steps: int) -> Iterator[tuple[Floats, Integers]]:
    """A batch for each step, from the start again after the last."""
    for step in range(steps):
        rows = np.arange(step * size, (step + 1) * size) % len(images)
        yield images[rows], labels[rows]


def main(train: Callable[[int], Iterator[float]], text: str | None, steps: int) -> None:
    """Train for as many steps as the command line says, and print some of the losses."""
    options = argparse.ArgumentParser(description=(text or "").partition("\n")[0])
    options.add_argument("--steps", type=int, default=steps)
    given = options.parse_args()
    for step, loss in enumerate(train(given.steps)):
        if step % max(given.steps // 10, 1) == 0 or step == given.steps - 1:
            print(f"step {step}: loss {loss:.4f}")
