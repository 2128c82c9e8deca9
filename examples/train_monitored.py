"""Train a linear model in a session that survives the loss of a worker, which this program kills.

    python examples/train_monitored.py
    python examples/train_monitored.py --folder /models/line    # keeps the checkpoints; a second start goes on

A queue runner on the worker makes batches; the weights are on the worker, too.  After half of the steps the worker is
killed with SIGKILL.  The session restores the last checkpoint when the worker is back, and goes on to the last step.
"""

import argparse
import tempfile

import numpy as np

import dflow as df

WORKER = "/job:worker/task:0"


class KillOnce(df.train.SessionRunHook):
    """Kills the worker after some runs, and counts the sessions."""

    def __init__(self, cluster: df.cluster.EmbeddedCluster, runs: int) -> None:
        self.cluster = cluster
        self.left = runs
        self.sessions = 0

    def after_create_session(self, session: df.Session, coord: df.train.Coordinator) -> None:
        self.sessions += 1

    def after_run(self, run_context: df.train.SessionRunContext, run_values: df.train.SessionRunValues) -> None:
        self.left -= 1
        if self.left == 0:
            print("killing the worker")
            self.cluster.kill_worker(WORKER)


def batches() -> df.FIFOQueue:
    """A queue of points on a plane, which a loop on the worker fills without an end."""
    x = df.random_uniform([32, 2], seed=1)
    y = df.matmul(x, [[3.0], [-2.0]]) + 1.0
    queue = df.FIFOQueue(8, [df.float32, df.float32], shapes=[[32, 2], [32, 1]], name="batches")
    df.train.add_queue_runner(df.train.QueueRunner(queue, [queue.enqueue([x, y])]))
    return queue


def train(cluster: df.cluster.EmbeddedCluster, folder: str, last_step: int) -> np.ndarray:
    """Train to the last step; gives the weights and the bias."""
    with df.device(f"{WORKER}/cpu:0"):
        x, y = batches().dequeue()
        w, b = df.Variable(df.zeros([2, 1]), name="w"), df.Variable(0.0, name="b")
        loss = df.reduce_mean(df.square(df.matmul(x, w) + b - y))
        step = df.train.get_or_create_global_step()
        train_op = df.train.GradientDescentOptimizer(0.3).minimize(loss, global_step=step)
    df.summary.scalar("loss", loss)

    kill = KillOnce(cluster, last_step // 2)
    final = df.train.FinalOpsHook(df.concat([df.reshape(w, [-1]), [b]], 0))
    hooks = [df.train.StopAtStepHook(last_step=last_step), df.train.NanTensorHook(loss), kill, final]
    with df.train.MonitoredTrainingSession(
        cluster.scheduler_address, checkpoint_dir=folder, save_checkpoint_steps=100, hooks=hooks
    ) as sess:
        while not sess.should_stop():
            sess.run(train_op)
    print(f"sessions: {kill.sessions}")
    return final.final_ops_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", help="for the checkpoints and summaries; by default a temporary one")
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    with df.cluster.EmbeddedCluster(ps=0, workers=1) as cluster, tempfile.TemporaryDirectory() as temporary:
        found = train(cluster, options.folder or temporary, options.steps)
    print("w, b =", found.round(2))
    assert np.allclose(found, [3.0, -2.0, 1.0], atol=0.2), found


if __name__ == "__main__":
    main()
