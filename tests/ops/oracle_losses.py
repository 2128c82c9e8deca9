"""Operations of losses, metrics, candidates and decoders that their own tests judge: module -> where."""

JUDGED_BY_THEIR_OWN_TESTS = {
    "dflow.ops.losses.weights": "a shape is the point: tests/ops/test_losses.py",
    "dflow.ops.losses.ranks": "a rank is the point: tests/ops/test_losses.py",
    "dflow.ops.metrics.hits": "sets of labels: tests/ops/test_metrics_at_k.py",
    "dflow.ops.state.variance_scaling": "random: tests/ops/test_initializers.py",
    "dflow.ops.candidates.samplers": "random: tests/ops/test_candidates.py",
    "dflow.ops.ctc.loss": "sums over all paths: tests/ops/test_ctc.py",
    "dflow.ops.ctc.greedy": "sequences: tests/ops/test_ctc.py",
    "dflow.ops.ctc.beam": "sequences: tests/ops/test_ctc.py",
}
