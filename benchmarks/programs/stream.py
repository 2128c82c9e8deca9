"""Streams a file of any size through the CSV pipeline in a new process, and measures the memory of that process."""

from __future__ import annotations

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from programs import CPU
from programs.csv import csv

BATCH, CAPACITY, MANY = 128, 10_000, 1024
NOTHING = "no file: the session alone"
RECORDS_ONE, RECORDS_MANY = "one record a step", "1,024 records a step"
STEPS = {NOTHING: 0, RECORDS_ONE: 1, RECORDS_MANY: MANY}


def peak(module: str, case: str, file: str) -> float:
    """Return the peak of a new process's resident memory in bytes, from its start to the end of the file."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        return process.submit(_stream, module, STEPS[case], file).result()


def _stream(module: str, step: int, file: str) -> float:
    tf = importlib.import_module(module)
    if module.startswith("tensorflow"):
        tf.disable_v2_behavior()
    if step:
        _take_all(tf, step, file)
    else:
        tf.Session("").run(tf.constant(0.0))
    status = Path("/proc/self/status").read_text()  # the peak of getrusage would include the parent's
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


def _take_all(tf: Any, step: int, file: str) -> None:
    listing = csv(step=step, capacity=CAPACITY, reserve=CAPACITY // 2)
    with tf.Graph().as_default() as graph:
        batch, _ = listing.build(tf, [file], CPU, [CPU], epochs=1)
        init = tf.local_variables_initializer()
        with tf.Session("", graph=graph) as sess:
            sess.run(init)
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess, coord)
            take = sess.make_callable(batch)
            try:
                while True:
                    take()
            except tf.errors.OutOfRangeError:
                coord.request_stop()
            coord.join(threads)
