"""How long do convolutions take on a CPU?

A step computes a convolution and its two gradients: that of the image and that of the filter. The names of the cases
have the filter, [height, width, channels, outputs], and the size of the images; the padding is `SAME`. The step of
training is that of a small network for images of digits: two convolutions with pooling, two layers of 1024 and 10, and
gradient descent, on a batch of 64 images that is already in memory. Both systems start from the same weights and have
the same loss after 3 steps. Each has one thread.

dflow computes convolutions as products of matrices in NumPy.
"""

from __future__ import annotations

from competitors import Competitor, Here, Peer
from measure import MILLISECONDS, rounds_asked
from programs.lenet import LAYERS, TRAINING, cases
from tables import Target, report

import dflow as df

TARGETS = {TRAINING: [Target(0.5)], **{name: [Target(0.5)] for name in LAYERS}}


def main() -> None:
    rounds = rounds_asked(__doc__)
    competitors: list[Competitor] = [
        Here("dflow", *cases(df)),
        Peer("TF1", "tensorflow", "tf1_lenet.py"),
    ]
    print(report(__doc__, MILLISECONDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()
