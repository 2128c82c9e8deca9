"""Saving and restoring variables."""

from __future__ import annotations

from typing import Any

from measure import Sample, seconds_once, size

LARGE, SMALL = (8, size(1 << 25, 1 << 18)), (size(2_000, 20), 1 << 10)  # variables, floats of each
CHECKPOINTS = {  # case -> variables, floats of each, whether it saves
    "Large, save": (*LARGE, True),
    "Large, restore": (*LARGE, False),
    "Small, save": (*SMALL, True),
    "Small, restore": (*SMALL, False),
}


def checkpoints(tf: Any, prefix: str, config: Any = None) -> dict[str, Sample]:
    """Return the samples, in bytes a second.  The files have names that begin with the prefix."""
    samples = {}
    for count, floats in (LARGE, SMALL):
        save, restore = _program(tf, f"{prefix}-{count}", count, floats, config)
        samples |= {name: save if saves else restore for name, (n, _, saves) in CHECKPOINTS.items() if n == count}
    return samples


def _program(tf: Any, prefix: str, count: int, floats: int, config: Any) -> tuple[Sample, Sample]:
    with tf.Graph().as_default() as graph:
        for i in range(count):
            tf.Variable(tf.ones([floats]), name=f"v{i}")
        init = tf.global_variables_initializer()
        saver = tf.train.Saver(max_to_keep=1)
        sess = tf.Session("", graph=graph, config=config)
    sess.run(init)
    saver.save(sess, prefix, write_meta_graph=False)

    def save() -> float:
        return 4 * count * floats / seconds_once(lambda: saver.save(sess, prefix, write_meta_graph=False))

    def restore() -> float:
        return 4 * count * floats / seconds_once(lambda: saver.restore(sess, prefix))

    return save, restore
