"""Two networks trained on a GPU: the losses are those of the CPU, and how long a step takes, beside PyTorch's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import dflow as df
from tests.gpu.devices import CPU, GPU, REAL, seconds, session, synchronize, torch

BATCH = 256 if REAL else 32
STEPS = 10


def images() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images [BATCH, 28, 28, 1] and their labels: the brighter half of the image is above or below."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, BATCH)
    values = random.normal(size=(BATCH, 28, 28, 1)).astype(np.float32)
    values[labels == 0, :14] += 1
    values[labels == 1, 14:] += 1
    return values, labels


def multilayer(x: Any) -> Any:
    hidden = df.layers.dense(df.layers.flatten(x), 256, df.nn.relu, kernel_initializer=df.glorot_uniform_initializer(1))
    return df.layers.dense(hidden, 2, kernel_initializer=df.glorot_uniform_initializer(2))


def lenet(x: Any) -> Any:
    for filters, seed in ((32, 1), (64, 2)):
        kernel = df.glorot_uniform_initializer(seed)
        x = df.layers.conv2d(x, filters, 5, padding="same", activation=df.nn.relu, kernel_initializer=kernel)
        x = df.layers.max_pooling2d(x, 2, 2)
    hidden = df.layers.dense(df.layers.flatten(x), 256, df.nn.relu, kernel_initializer=df.glorot_uniform_initializer(3))
    return df.layers.dense(hidden, 2, kernel_initializer=df.glorot_uniform_initializer(4))


NETWORKS: dict[str, Callable[[Any], Any]] = {"multilayer network": multilayer, "LeNet": lenet}


@dataclass(frozen=True)
class Training:
    """The losses of the steps, and the seconds of one."""

    losses: list[float]
    step_s: float


def train(device: str, network: Callable[[Any], Any]) -> Training:
    values, labels = images()
    with df.Graph().as_default() as graph, df.device(device):
        x, y = df.Variable(values, trainable=False), df.Variable(labels, trainable=False)
        loss = df.losses.sparse_softmax_cross_entropy(y, network(x))
        step = df.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
        with session(graph) as sess:
            sess.run(df.global_variables_initializer())
            losses = [float(sess.run([loss, step])[0]) for _ in range(STEPS)]
            return Training(losses, seconds(sess.make_callable(step), samples=3))


def torch_step(name: str) -> float | None:
    """The seconds of a step of the same network in PyTorch, on the GPU if there is one; None without PyTorch."""
    it = torch()
    if it is None:
        return None
    nn, device = it.nn, "cuda" if REAL and it.cuda.is_available() else "cpu"
    if name == "LeNet":
        convolutions = [nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        convolutions += [nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        layers = [*convolutions, nn.Flatten(), nn.Linear(64 * 49, 256), nn.ReLU(), nn.Linear(256, 2)]
    else:
        layers = [nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 2)]
    model = nn.Sequential(*layers).to(device)
    optimizer = it.optim.SGD(model.parameters(), 0.01, 0.9)
    values, labels = images()
    x, y = it.tensor(values.transpose(0, 3, 1, 2)).to(device), it.tensor(labels).to(device)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if device == "cuda":
            it.cuda.synchronize()

    return seconds(step, samples=3)


def main() -> int:
    print(f"| network, {BATCH} images | CPU, ms a step | GPU, ms a step | PyTorch, ms a step | last loss |")
    print("| --- | --- | --- | --- | --- |")
    for name, network in NETWORKS.items():
        cpu, gpu = train(CPU, network), train(GPU, network)
        synchronize()
        np.testing.assert_allclose(gpu.losses, cpu.losses, rtol=1e-2, atol=1e-3)
        assert gpu.losses[-1] < gpu.losses[0], gpu.losses
        other = torch_step(name)
        beside = "not there" if other is None else f"{other * 1e3:.2f}"
        print(
            f"| {name} | {cpu.step_s * 1e3:.2f} | {gpu.step_s * 1e3:.2f} | {beside} | {gpu.losses[-1]:.4f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
