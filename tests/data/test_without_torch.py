"""What happens without PyTorch."""

import sys

import pytest

import dflow as df


def test_without_pytorch_its_dataset_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "dflow.data.torch_dataset", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(ImportError, match="pip install torch"):
        _ = df.data.TorchDataset


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Torch'"):
        _ = df.data.Torch
