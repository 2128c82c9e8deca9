"""Train a classifier of handwritten digits from CSV files, with two replicas and a parameter server.

    dflow submit examples/train_csv.py
    dflow submit examples/train_csv.py --scheduler tcp://host:8786 -- --epochs 30

Reader loops on every worker feed one shared shuffle queue; the variables live on the ps; one training loop, pinned to
each worker's GPU, takes batches out of the queue and updates the variables asynchronously; a coordinator ends them
together.  The result must be as good as that of the same network in scikit-learn, to within 2 points.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import dflow as df

PIXELS, HIDDEN, CLASSES, BATCH = 64, 50, 10, 32


def load() -> list[np.ndarray]:
    """scikit-learn's digits: 8 x 8 pixels from 0 to 1, of which 1 in 100 is missing (0); and what they show."""
    pixels, digits = load_digits(return_X_y=True)
    missing = np.random.default_rng(1).random(pixels.shape) < 0.01
    pixels = np.where(missing, 0.0, pixels / 16).astype(np.float32)
    return train_test_split(pixels, digits, test_size=0.2, random_state=1, stratify=digits)


def write_shards(folder: Path, pixels: np.ndarray, digits: np.ndarray, shards: int = 8) -> list[str]:
    """CSV files with a header; a pixel that is 0 is left out, as a missing field."""
    header = ",".join([*(f"pixel{i}" for i in range(PIXELS)), "digit"])
    paths = [folder / f"digits-{shard}.csv" for shard in range(shards)]
    for shard, path in enumerate(paths):
        rows = zip(pixels[shard::shards], digits[shard::shards], strict=True)
        lines = [",".join([*(f"{p:g}" if p else "" for p in row), str(digit)]) for row, digit in rows]
        path.write_text("\n".join([header, *lines]) + "\n")
    return [str(path) for path in paths]


def read_batches(files: list[str], epochs: int, home: str, workers: list[str]) -> df.RandomShuffleQueue:
    """One shuffle queue at home, filled by a reader loop on each worker."""
    with df.device(f"{home}/cpu:0"):
        names = df.train.string_input_producer(files, num_epochs=epochs, name="files")
        queue = df.RandomShuffleQueue(2000, 500, [df.float32, df.int32], [(PIXELS,), ()], name="examples")
    enqueues = []
    for i, worker in enumerate(workers):
        with df.device(f"{worker}/cpu:0"), df.name_scope(f"read{i}"):
            _, lines = df.TextLineReader(skip_header_lines=1).read_up_to(names, BATCH)
            *columns, digit = df.decode_csv(lines, [[0.0]] * PIXELS + [[0]])
            pixels = df.stack(columns, axis=1)
        enqueues.append(queue.enqueue_many([pixels, digit], name=f"enqueue{i}"))
    df.train.add_queue_runner(df.train.QueueRunner(queue, enqueues))
    return queue


def network(pixels: df.Tensor) -> df.Tensor:
    """Two dense layers; the same variables for every replica."""
    with df.variable_scope("network", reuse=df.AUTO_REUSE):
        w1 = df.get_variable("w1", [PIXELS, HIDDEN])
        b1 = df.get_variable("b1", [HIDDEN], initializer=df.zeros_initializer())
        w2 = df.get_variable("w2", [HIDDEN, CLASSES])
        b2 = df.get_variable("b2", [CLASSES], initializer=df.zeros_initializer())
    return df.matmul(df.nn.relu(df.matmul(pixels, w1) + b1), w2) + b2


def train_op(queue: df.RandomShuffleQueue, optimizer: df.train.Optimizer) -> dict[str, object]:
    """One replica: take a batch, update the variables."""
    pixels, digits = queue.dequeue_up_to(BATCH)
    losses = df.nn.sparse_softmax_cross_entropy_with_logits(labels=digits, logits=network(pixels))
    loss = df.reduce_mean(losses)
    return {"train": optimizer.minimize(loss), "loss": loss}


def accuracy_of(pixels: np.ndarray, digits: np.ndarray) -> df.Tensor:
    """The share of a data set, kept on the device in variables that are not saved, that the network gets right."""
    held_out = df.Variable(pixels, trainable=False, collections=["held_out"], name="held_out_pixels")
    answers = df.Variable(digits.astype(np.int64), trainable=False, collections=["held_out"], name="held_out_digits")
    guesses = df.argmax(network(held_out), 1)
    return df.reduce_mean(df.cast(df.equal(guesses, answers), df.float32))


def train(files: list[str], test: tuple[np.ndarray, np.ndarray], epochs: int) -> float:
    """Train on the files; gives the accuracy on the test set."""
    df.set_random_seed(1)
    config = df.ConfigProto(allow_soft_placement=True)  # a task without a GPU trains on its CPU
    with df.Session(df.cluster.target(), config=config) as sess, df.train.Coordinator() as coord:
        jobs = sess.cluster_spec().as_dict()
        worker_job = "worker" if "worker" in jobs else "localhost"  # a session without a cluster
        workers = [f"/job:{worker_job}/task:{task}" for task in range(len(jobs[worker_job]))]
        ps = "/job:ps" if "ps" in jobs else f"/job:{worker_job}"

        queue = read_batches(files, epochs, f"{ps}/task:0", workers)
        optimizer = df.train.AdamOptimizer(0.004)
        replicas = []
        for i, worker in enumerate(workers):
            setter = df.train.replica_device_setter(ps_tasks=1, ps_device=ps, worker_device=f"{worker}/gpu:0")
            with df.device(setter), df.name_scope(f"replica{i}"):
                replicas.append(train_op(queue, optimizer))
        with df.device(f"{workers[0]}/gpu:0"):
            accuracy = accuracy_of(*test)

        sess.run([df.global_variables_initializer(), df.local_variables_initializer()])
        sess.run(df.variables_initializer(df.get_collection("held_out")))
        df.train.start_queue_runners(sess, coord)
        loops = [sess.repeat(replica, every=20, name=f"replica{i}") for i, replica in enumerate(replicas)]
        steps = [loop.join() for loop in loops]
        print(f"steps of the replicas: {steps}")
        return float(sess.run(accuracy))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=40, help="how often each record is read")
    epochs = parser.parse_args().epochs
    train_pixels, test_pixels, train_digits, test_digits = load()
    with tempfile.TemporaryDirectory() as folder:
        files = write_shards(Path(folder), train_pixels, train_digits)
        ours = train(files, (test_pixels, test_digits), epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer = MLPClassifier((HIDDEN,), batch_size=BATCH, learning_rate_init=0.004, max_iter=epochs, random_state=1)
        peer.fit(train_pixels, train_digits)
    theirs = peer.score(test_pixels, test_digits)
    print(f"held-out accuracy: {ours:.3f}, of the same network in scikit-learn: {theirs:.3f}")
    assert ours >= theirs - 0.02, f"{ours:.3f} is more than 2 points below {theirs:.3f}"


if __name__ == "__main__":
    main()
