"""Lines of the oracle table: special functions, running sums, counts, products by labels, rounding to few bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.special as sp

import dflow as df
from dflow.ops.math.bitwise import population_count
from tests.ops.cases import Case, positive, real, whole

SHAPES = [((2, 3), (2, 3)), ((2, 3), ()), ((3,), (2, 3)), ((2, 1), (1, 3)), ((4, 2, 1), (3,))]

Make = Callable[..., np.ndarray]


def within(low: float, high: float) -> Make:
    """Numbers between these bounds."""
    return lambda *shape: np.random.default_rng(5).uniform(low, high, size=shape)


def unary(build: Callable[..., Any], judge: Callable[..., Any], make: Make = real) -> list[Case]:
    return [Case(build, judge, (make(2, 3),)), Case(build, judge, (make(),))]


def binary(build: Callable[..., Any], judge: Callable[..., Any], x: Make = real, y: Make = real) -> list[Case]:
    return [Case(build, judge, (x(*of_x), y(*of_y))) for of_x, of_y in SHAPES]


def of_second(build: Callable[..., Any], judge: Callable[..., Any], x: Make, y: Make) -> list[Case]:
    """Without a gradient for the first operand."""
    return [Case(build, judge, (x(*of_x), y(*of_y)), numbers=(0,)) for of_x, of_y in SHAPES]


def once(cases: list[Case]) -> list[Case]:
    """Without second derivatives."""
    return [replace(case, second=False) for case in cases]


def running(build: Callable[..., Any], judge: Callable[..., Any], make: Make) -> list[Case]:
    def case(exclusive: bool, reverse: bool) -> Case:
        """Of an exclusive one, without the value that stands for nothing."""
        kept = slice(None) if not exclusive else slice(None, -1) if reverse else slice(1, None)

        def expected(x: np.ndarray) -> np.ndarray:
            values = x[:, ::-1] if reverse else x
            total = judge(values[:, :-1] if exclusive else values)
            return total[:, ::-1] if reverse else total

        return Case(lambda x: build(x, 1, exclusive, reverse)[:, kept], expected, (make(2, 4),))

    at_run_time = Case(build, lambda x, axis: judge(x), (make(2, 4), np.int32(-1)), (1,))
    return [*(case(exclusive, reverse) for exclusive in (False, True) for reverse in (False, True)), at_run_time]


def labels(equation: str, *shapes: tuple[int, ...]) -> Case:
    return Case(
        lambda *x: df.einsum(equation, *x),
        lambda *x: np.einsum(equation, *x),
        tuple(real(*shape) for shape in shapes),
        unknown="..." not in equation,
    )


MATH: dict[str, list[Case]] = {
    # trigonometry
    "Tan": unary(df.tan, np.tan),
    "Asin": unary(df.asin, np.arcsin, within(-0.9, 0.9)),
    "Acos": unary(df.acos, np.arccos, within(-0.9, 0.9)),
    "Atan": unary(df.atan, np.arctan),
    "Atan2": binary(df.atan2, np.arctan2, y=positive),
    "Sinh": unary(df.sinh, np.sinh),
    "Cosh": unary(df.cosh, np.cosh),
    "Asinh": unary(df.asinh, np.arcsinh),
    "Acosh": unary(df.acosh, np.arccosh, within(1.5, 4)),
    "Atanh": unary(df.atanh, np.arctanh, within(-0.9, 0.9)),
    # special functions
    "Erf": unary(df.erf, sp.erf),
    "Erfc": unary(df.erfc, sp.erfc),
    "Erfinv": unary(df.math.erfinv, sp.erfinv, within(-0.9, 0.9)),
    "Ndtri": unary(df.math.ndtri, sp.ndtri, within(0.1, 0.9)),
    "Lgamma": unary(df.lgamma, sp.gammaln, positive),
    "Digamma": unary(df.digamma, sp.digamma, positive),
    "Polygamma": of_second(df.polygamma, sp.polygamma, lambda *s: whole(*s, low=0, high=4).astype(float), positive),
    "Zeta": of_second(df.zeta, sp.zeta, within(1.5, 4), positive),
    "Igamma": [
        Case(c.build, c.judge, c.inputs, second=False) for c in binary(df.igamma, sp.gammainc, positive, positive)
    ],
    "Igammac": [
        Case(c.build, c.judge, c.inputs, second=False) for c in binary(df.igammac, sp.gammaincc, positive, positive)
    ],
    "Betainc": [
        Case(df.betainc, sp.betainc, (positive(2, 3), positive(2, 3), within(0.1, 0.9)(2, 3)), numbers=(0, 1)),
        Case(df.betainc, sp.betainc, (positive(), positive(2), within(0.1, 0.9)()), numbers=(0, 1)),
    ],
    "BesselI0e": unary(df.math.bessel_i0e, sp.i0e),
    "BesselI1e": unary(df.math.bessel_i1e, sp.i1e),
    # quotients, products
    "DivNoNan": binary(df.div_no_nan, np.divide, y=positive),
    "MulNoNan": binary(df.math.multiply_no_nan, np.multiply, y=positive),
    "Xlogy": binary(df.math.xlogy, sp.xlogy, positive, positive),
    "Xlog1py": binary(df.math.xlog1py, sp.xlog1py, positive, positive),
    "Xdivy": binary(df.math.xdivy, np.divide, positive, positive),
    "TruncateDiv": [
        *binary(df.truncatediv, lambda x, y: np.trunc(x / y)),
        *binary(df.truncatediv, lambda x, y: np.trunc(x / y).astype(np.int32), whole, partial(whole, low=-9, high=-1)),
    ],
    "TruncateMod": [*binary(df.truncatemod, np.fmod), *binary(df.truncatemod, np.fmod, partial(whole, low=-9), whole)],
    # rounding, bits
    "Rint": unary(df.rint, np.rint),
    "NextAfter": binary(df.math.nextafter, np.nextafter),
    "LeftShift": binary(df.bitwise.left_shift, np.left_shift, whole, whole),
    "RightShift": binary(df.bitwise.right_shift, np.right_shift, partial(whole, low=-99, high=99), whole),
    "PopulationCount": unary(population_count, lambda x: np.bitwise_count(x.view(np.uint32)), partial(whole, low=-9)),
    # sums
    "EuclideanNorm": [
        Case(df.math.reduce_euclidean_norm, np.linalg.norm, (real(2, 3),)),
        Case(
            lambda x: df.math.reduce_euclidean_norm(x, -1, True),
            lambda x: np.sqrt((x * x).sum(-1, keepdims=True)),
            (real(2, 3),),
        ),
        Case(
            df.math.reduce_euclidean_norm,
            lambda x, axis: np.sqrt((x * x).sum(tuple(axis))),
            (real(2, 3), np.array([0])),
            (1,),
        ),
    ],
    "AccumulateNV2": [Case(lambda *x: df.accumulate_n(x), lambda *x: sum(x), (real(2, 3), real(2, 3), real(2, 3)))],
    "Cumprod": running(df.cumprod, partial(np.cumprod, axis=1), positive),
    "CumulativeLogsumexp": running(df.math.cumulative_logsumexp, partial(np.logaddexp.accumulate, axis=1), real),
    "Bincount": [
        Case(lambda x, w: df.bincount(x, w), lambda x, w: np.bincount(x, w), (whole(9), real(9)), (0,)),
    ],
    "HistogramFixedWidth": [
        Case(
            lambda x, r: df.histogram_fixed_width(x, r, 5),
            lambda x, r: np.histogram(np.clip(x, *r), 5, r)[0].astype(np.int32),
            (real(20), np.array([-1.0, 2.0])),
            (1,),
        ),
    ],
    "Einsum": [
        labels("ij,jk->ik", (2, 3), (3, 4)),
        labels("bij,bjk->bik", (2, 3, 2), (2, 2, 4)),
        labels("ij->", (2, 3)),
        labels("ij->ji", (2, 3)),
        labels("ij,kj,k->i", (2, 3), (4, 3), (4,)),
        labels("i,j->ij", (2,), (3,)),
        labels("ijk,ik->i", (2, 3, 4), (2, 4)),
        labels("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
        labels("a...,b...->b...a", (2, 3), (4, 1, 3)),
    ],
    # checks
    "CheckNumerics": unary(lambda x: df.check_numerics(x, "x"), np.array),
    "EnsureShape": [Case(lambda x: df.ensure_shape(x, [None, 3]), np.array, (real(2, 3),))],
}

NOT_JUDGED_MATH: dict[str, str] = {
    **dict.fromkeys(("Complex", "Real", "Imag", "Angle"), "complex: tests/ops/test_complex.py"),
    "IgammaGradA": "part of a gradient, which the gradient's test judges",
    **dict.fromkeys(("Print", "PrintV2"), "they are about what they print: tests/ops/test_printing.py"),
    **dict.fromkeys(
        [
            f"FakeQuantWithMinMax{kind}{suffix}"
            for kind in ("Args", "Vars", "VarsPerChannel")
            for suffix in ("", "Gradient")
        ],
        "of float32 only: tests/ops/test_fake_quant.py",
    ),
    **dict.fromkeys(
        [f"{kind}{rank}" for kind in ("FFT", "IFFT", "RFFT", "IRFFT") for rank in ("", "2D", "3D")]
        + [f"{kind}{rank}Grad" for kind in ("RFFT", "IRFFT") for rank in ("", "2D", "3D")],
        "complex: tests/ops/test_signal.py",
    ),
}
