"""How long does a recurrent network take on a CPU?

A batch of 20 sequences of 20 steps with 200 values each goes through an LSTM cell of 200 units, by `dynamic_rnn`. A
step of training computes the outputs, the gradients by all variables, and gradient descent; the other case computes the
outputs alone. Both systems start from the same weights and have the same loss after 3 steps. Each has one thread.

dflow runs the loop as one program: its body is a line of NumPy calls.
"""

from __future__ import annotations

from competitors import Competitor, Here, Peer
from measure import MILLISECONDS, rounds_asked
from programs.lstm import FORWARD, TRAINING, cases
from tables import Target, report

import dflow as df

TARGETS = {TRAINING: [Target(0.5)], FORWARD: [Target(0.5)]}


def main() -> None:
    rounds = rounds_asked(__doc__)
    competitors: list[Competitor] = [
        Here("dflow", *cases(df)),
        Peer("TF1", "tensorflow", "tf1_lstm.py"),
    ]
    print(report(__doc__, MILLISECONDS, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()
