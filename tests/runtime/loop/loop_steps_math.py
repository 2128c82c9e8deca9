"""The lines of `loop_steps.py` for functions of mathematics: each is called with numbers that it is defined for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dflow as df

UNIT = "Acos Asin Atanh Erfinv Ndtri Betainc"  # of numbers between 0 and 1
ABOVE_ONE = (
    "Acosh Asinh Atan BesselI0e BesselI1e Cosh Digamma Elu Erf Erfc Lgamma LeakyRelu Relu6 Rint Selu Sinh Softsign Tan"
)
OF_TWO = (
    "Atan2 Complex DivNoNan EluGrad Igamma IgammaGradA Igammac MulNoNan NextAfter Relu6Grad SeluGrad SoftsignGrad "
    "TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta LeakyReluGrad"
)
ATTRIBUTES = {"LeakyRelu": {"alpha": 0.1}, "LeakyReluGrad": {"alpha": 0.1}}


def large(x: Any) -> Any:
    return x * x + 1.5


def lines(ways: Callable[..., Any]) -> dict[str, list[Any]]:
    """ways: of `loop_steps.py`."""

    def call(kind: str, *numbers: Any) -> Any:
        return df.add_op(kind, *numbers, **ATTRIBUTES.get(kind, {}))

    found = {kind: ways("f", lambda x, kind=kind: call(kind, large(x))) for kind in ABOVE_ONE.split()}
    found |= {kind: ways("f", lambda x, kind=kind: call(kind, df.sigmoid(x))) for kind in UNIT.split()}
    found |= {kind: ways("ff", lambda x, y, kind=kind: call(kind, large(x), large(y))) for kind in OF_TWO.split()}
    return found | {
        "Betainc": ways("ff", lambda x, y: df.math.betainc(large(x), large(x), df.sigmoid(x))),
        "Polygamma": ways("f", lambda x: df.math.polygamma(df.ones_like(x), large(x))),
        "Real": ways("ff", lambda x, y: df.real(df.complex(x, y))),
        "Imag": ways("ff", lambda x, y: df.imag(df.complex(x, y))),
        "Angle": ways("ff", lambda x, y: df.angle(df.complex(x, y))),
        "Cumprod": ways("f", lambda x: df.math.cumprod(df.stack([x, x]), -1)),
        "CumulativeLogsumexp": ways("f", lambda x: df.math.cumulative_logsumexp(df.stack([x, x]), -1)),
        "EuclideanNorm": ways("f", df.math.reduce_euclidean_norm, lambda x: df.math.reduce_euclidean_norm(x, -1)),
        "SelectV2": ways("bff", df.where_v2),
        "LeftShift": ways("i", lambda n: df.bitwise.left_shift(n, 2)),
        "RightShift": ways("i", lambda n: df.bitwise.right_shift(n, 1)),
        "PopulationCount": ways("i", lambda n: df.add_op("PopulationCount", n)),
    }
