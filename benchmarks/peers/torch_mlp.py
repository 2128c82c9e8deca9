"""`mlp.py` for torch: `DistributedDataParallel` in two processes with one thread each."""

from __future__ import annotations

import os
import socket
from typing import Any

import torch
from competitors import serve
from measure import seconds_once
from programs.mlp import BATCH, CHECKED, CLUSTER, ONE_PROCESS, RATE, STEPS, TOGETHER, data, weights
from torch import multiprocessing, nn

PROCESSES = 2


class Trained:
    """The network.  distributed: whether it averages its gradients with those of the other processes."""

    def __init__(self, distributed: bool = False) -> None:
        torch.set_num_threads(1)
        images, labels = data()
        self._images, self._labels = torch.from_numpy(images), torch.from_numpy(labels).long()
        self.init()
        if distributed:
            self._network = nn.parallel.DistributedDataParallel(self._network)
        self._optimizer = torch.optim.SGD(self._network.parameters(), RATE)

    def init(self) -> None:
        layers: list[nn.Module] = []
        for w, b in weights():
            linear = nn.Linear(*w.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(w.T))
                linear.bias.copy_(torch.from_numpy(b))
            layers += [linear, nn.ReLU()]
        self._network: nn.Module = nn.Sequential(*layers[:-1])

    def loss(self) -> torch.Tensor:
        return nn.functional.cross_entropy(self._network(self._images), self._labels)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self._optimizer.zero_grad()
            self.loss().backward()
            self._optimizer.step()


def fact() -> list[float]:
    one = Trained()
    one.train(CHECKED)
    return [float(one.loss())]


def member(rank: int, port: int, pipe: Any) -> None:
    """Run one of the processes, which trains as many steps as the pipe asks for."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=PROCESSES)
    one = Trained(distributed=True)
    pipe.send("ready")
    while True:
        one.train(pipe.recv())
        pipe.send("done")


def start_members() -> list[Any]:
    """Start the processes, which end with this one.  Returns the pipes to them."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    context, pipes = multiprocessing.get_context("spawn"), []
    for rank in range(PROCESSES):
        ours, theirs = context.Pipe()
        context.Process(target=member, args=(rank, port, theirs), daemon=True).start()
        theirs.close()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    return pipes


def main() -> None:
    one, pipes = Trained(), start_members()

    def both(steps: int) -> None:
        for pipe in pipes:
            pipe.send(steps)
        for pipe in pipes:
            pipe.recv()

    def images() -> float:
        return BATCH * STEPS * PROCESSES / seconds_once(lambda: both(STEPS))

    serve(
        f"torch {torch.__version__}",
        {
            ONE_PROCESS: lambda: BATCH * STEPS / seconds_once(lambda: one.train(STEPS)),
            CLUSTER: images,
            TOGETHER: images,
        },
        {ONE_PROCESS: fact},
    )


if __name__ == "__main__":
    main()
