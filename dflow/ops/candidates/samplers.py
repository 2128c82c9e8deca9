"""Operations that draw classes, for losses that look at some of many classes.

true_classes: int64 [n, num_true], the classes that are right.  num_sampled: how many classes are drawn, the same ones
for all rows; unique: each at most once; range_max: they are in [0, range_max).
The result is (sampled_candidates, true_expected_count, sampled_expected_count): the drawn classes, int64 [num_sampled],
and how often each true class, [n, num_true], and each drawn one, [num_sampled], is expected among them, float32.
Source: candidate_sampling_ops of TensorFlow 1.15, with other random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dflow.dtypes import float32, int32, int64
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor, create_op, scopes
from dflow.ops.candidates.distributions import Distribution, LogUniform, Uniform, Unigram, fixed_unigram, sample
from dflow.ops.random import get_seed
from dflow.ops.rules.static import graph_of, only
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "all_candidate_sampler",
    "compute_accidental_hits",
    "fixed_unigram_candidate_sampler",
    "learned_unigram_candidate_sampler",
    "log_uniform_candidate_sampler",
    "uniform_candidate_sampler",
]


Seeds = tuple[int, int]


class SampledCandidates(NamedTuple):
    """What a sampler gives."""

    sampled_candidates: Tensor
    true_expected_count: Tensor
    sampled_expected_count: Tensor


def _sampler(kind: str, true_classes: Any, seed: int | None, name: str | None, **attrs: Any) -> SampledCandidates:
    with scopes.building_in(graph_of([true_classes])):
        classes = convert_to_tensor(true_classes, None if hasattr(true_classes, "graph") else int64)
        op = create_op(kind, classes, name=name, seeds=get_seed(seed), **attrs)
    return SampledCandidates(*op.outputs)


def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> SampledCandidates:
    """Classes that are all equally probable."""
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
    return _sampler("UniformCandidateSampler", true_classes, seed, name, **attrs)


def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> SampledCandidates:
    """Classes of which i has the probability log((i + 2) / (i + 1)) / log(range_max + 1)."""
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
    return _sampler("LogUniformCandidateSampler", true_classes, seed, name, **attrs)


def learned_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> SampledCandidates:
    """Classes as probable as they were among the true classes so far, in this session; each counts once at first."""
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
    return _sampler("LearnedUnigramCandidateSampler", true_classes, seed, name, **attrs)


def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Sequence[float] = (),
    seed: int | None = None,
    name: str | None = None,
) -> SampledCandidates:
    """Classes as probable as weights to the power of `distortion` say.

    unigrams: the weights; or vocab_file: a CSV file with them in its last column.  num_reserved_ids: classes before
    these, which are never drawn.  num_shards, shard: only classes i with i % num_shards == shard are drawn.
    """
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
    weights: dict[str, Any] = {"unigrams": tuple(float(weight) for weight in unigrams), "vocab_file": vocab_file}
    weights |= {"distortion": float(distortion), "num_reserved_ids": num_reserved_ids}
    weights |= {"num_shards": num_shards, "shard": shard}
    return _sampler("FixedUnigramCandidateSampler", true_classes, seed, name, **attrs, **weights)


def all_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None = None,
    name: str | None = None,
) -> SampledCandidates:
    """All classes in [0, num_sampled), each expected once: for tests."""
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique}
    return _sampler("AllCandidateSampler", true_classes, seed, name, **attrs)


def _spec(true_classes: TensorSpec, num_true: int, num_sampled: int, **attrs: Any) -> list[TensorSpec]:
    only(true_classes, true_classes.dtype == int64, "int64 true classes")
    for name, value in {"num_true": num_true, "num_sampled": num_sampled, **attrs}.items():
        if name in ("num_true", "num_sampled", "range_max") and value < 1:
            raise ValueError(f"Value for attr '{name}' of {value} must be at least minimum 1")
    rows = true_classes.shape.with_rank(2)
    drawn = TensorShape([num_sampled])
    shapes = (drawn, int64), (TensorShape([rows[0], num_true]), float32), (drawn, float32)
    return [TensorSpec(shape, dtype) for shape, dtype in shapes]


def _kernel(make: Callable[..., Distribution], learns: bool = False) -> Callable[..., Any]:
    """The kernel of a sampler whose distribution `make` makes of the attributes, once a session."""

    def kernel(
        context: KernelContext,
        true_classes: Any,
        num_true: int,
        num_sampled: int,
        unique: bool,
        seeds: Seeds,
        **attrs: Any,
    ) -> Any:
        classes = np.asarray(true_classes)
        if classes.ndim != 2 or classes.shape[1] != num_true:
            shape = list(classes.shape)
            raise InvalidArgumentError(None, None, f"true_classes must have num_true columns, got a shape of {shape}")
        distribution, generator = context.per_session(lambda: (make(**attrs), _generator(seeds)))
        found = sample(distribution, generator, classes, num_sampled, unique)
        if learns:
            distribution.count(classes)
        return found.sampled, found.true_expected, found.sampled_expected

    return kernel


def _generator(seeds: Seeds) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(None if seeds == (0, 0) else seeds)))


def _all_kernel(context: KernelContext, true_classes: Any, num_sampled: int, **attrs: Any) -> Any:
    classes = np.asarray(true_classes)
    ones = np.ones(classes.shape, np.float32), np.ones(num_sampled, np.float32)
    return np.arange(num_sampled, dtype=np.int64), *ones


def _learned(range_max: int) -> Unigram:
    return Unigram(np.ones(range_max))


def _fixed(
    range_max: int,
    unigrams: Sequence[float],
    vocab_file: str,
    distortion: float,
    num_reserved_ids: int,
    num_shards: int,
    shard: int,
) -> Unigram:
    return fixed_unigram(unigrams, vocab_file, distortion, num_reserved_ids, num_shards, shard)


_DRAWN = no_gradient("classes are integers")
_KERNELS: dict[str, Callable[..., Any]] = {
    "UniformCandidateSampler": _kernel(lambda range_max: Uniform(range_max)),
    "LogUniformCandidateSampler": _kernel(lambda range_max: LogUniform(range_max)),
    "LearnedUnigramCandidateSampler": _kernel(_learned, learns=True),
    "FixedUnigramCandidateSampler": _kernel(_fixed),
    "AllCandidateSampler": _all_kernel,
}
for _kind, _rule in _KERNELS.items():
    define(_kind, spec=_spec, kernel=_rule, gradient=_DRAWN, stateful=True, host_only=True)


# -- drawn classes that are true


def compute_accidental_hits(
    true_classes: Any, sampled_candidates: Any, num_true: int, seed: int | None = None, name: str | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The places where a true class was drawn: (indices, ids, weights), each with one value for each hit.

    true_classes: int64 [n, num_true]; sampled_candidates: int64 [num_sampled].  indices: int32, the row; ids:
    int64, the place in sampled_candidates; weights: float32, the lowest number, beside which any logit vanishes.
    """
    seeds = get_seed(seed)
    op = create_op("ComputeAccidentalHits", true_classes, sampled_candidates, name=name, num_true=num_true, seeds=seeds)
    indices, ids, weights = op.outputs
    return indices, ids, weights


def _hits_spec(true_classes: TensorSpec, sampled: TensorSpec, **attrs: Any) -> list[TensorSpec]:
    only(true_classes, true_classes.dtype == int64, "int64 true classes")
    only(sampled, sampled.dtype == int64, "int64 sampled candidates")
    true_classes.shape.with_rank(2)
    sampled.shape.with_rank(1)
    return [TensorSpec(TensorShape([None]), dtype) for dtype in (int32, int64, float32)]


def _hits_kernel(true_classes: Any, sampled: Any, num_true: int, seeds: Seeds) -> Any:
    classes, drawn = np.asarray(true_classes), np.asarray(sampled)
    if classes.ndim != 2 or classes.shape[1] != num_true:
        raise InvalidArgumentError(None, None, "true_classes must be a matrix with num_true columns")
    if drawn.ndim != 1:
        raise InvalidArgumentError(None, None, "sampled_candidates must be a vector")
    order = np.argsort(drawn, kind="stable")
    last = np.searchsorted(drawn[order], classes, side="right") - 1  # of equal ones, the last
    places = order[np.maximum(last, 0)] if drawn.size else np.zeros(classes.shape, np.int64)
    hit = (last >= 0) & (drawn[places] == classes) if drawn.size else np.zeros(classes.shape, bool)
    rows = np.nonzero(hit)[0].astype(np.int32)
    lowest = np.full(rows.shape, np.finfo(np.float32).min)
    return rows, places[hit].astype(np.int64), lowest.astype(np.float32)


define(
    "ComputeAccidentalHits",
    spec=_hits_spec,
    kernel=_hits_kernel,
    gradient=no_gradient("places are integers"),
    host_only=True,
)
