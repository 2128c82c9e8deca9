"""The runner of the checks on a GPU, and the checks in miniature, on a virtual GPU."""

from __future__ import annotations

import numpy as np
import pytest

import dflow as df
from tests.gpu import training, transfers
from tests.gpu.checks import Check, checks
from tests.gpu.devices import CPU, GPU
from tests.gpu.run import Result, report, run
from tests.gpu.wheels import THERE, name, not_there, requirements


def check(code: str, limit_s: float = 60.0, table: bool = False) -> Check:
    return Check("a check", "what it is", ("-c", code), limit_s, table)


def test_a_check_passes_fails_or_is_stopped_and_the_report_says_so() -> None:
    passed = run(check("print('| a | 1 |\\nnoise')", table=True), 60.0)
    failed = run(check("raise SystemExit('it went wrong')"), 60.0)
    stopped = run(check("print('begun'); import time; time.sleep(1000)"), 5.0)
    left_out = run(check("print()"), 1.0)
    results = [passed, failed, stopped, left_out]
    assert [result.state for result in results] == ["passed", "failed", "stopped", "left out"]
    text = report(["a GPU"], results)
    assert all(f"| a check | {result.state} |" in text for result in results)
    assert "| a | 1 |" in text
    assert "it went wrong" in text
    assert "noise" not in text
    assert "no GPU" in report([], [Result(check(""), "passed", 1.0, "")])


def test_the_checks_are_the_same_with_and_without_a_gpu() -> None:
    for gpu in (True, False):
        found = list(checks(gpu))
        assert [it.name for it in found] == ["operations", "transfers", "training", "kernels", "programs"]
        assert max(it.limit_s for it in found) <= 5 * 60


def test_the_wheels_are_what_dflow_needs_but_for_what_the_machine_has() -> None:
    names = {name(it) for it in requirements()}
    assert names >= {"dask", "distributed", "pytest", "scipy", "protobuf", *THERE}
    assert {name(it) for it in not_there(requirements())} == names - set(THERE)


@pytest.mark.parametrize("dtype", [np.float32, np.bool_, np.complex64])
def test_arrays_go_to_a_gpu_and_back_unchanged(dtype: type) -> None:
    transfers.check(dtype)


def test_a_network_has_the_same_losses_on_both_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setattr(training, "STEPS", 2)
    monkeypatch.setattr(training, "seconds", lambda call, samples: 0.0)
    losses = [training.train(device, training.multilayer).losses for device in (CPU, GPU)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert isinstance(training.torch_step("LeNet"), float | None)
    assert df.get_default_graph().version == 0
