"""Regular expressions in strings, with the syntax of RE2.

Why Arrow: it has RE2, the library that TensorFlow uses, and works on all strings at once.
Source: tf.strings.regex_replace, regex_full_match of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import bool_, string
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.rules.batching import each as each_step
from dflow.ops.rules.static import graph_of
from dflow.ops.text.each import NO_GRADIENT, Array, check, rules_of_each, text_of
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["regex_full_match", "regex_replace"]


def regex_replace(
    input: Any, pattern: Any, rewrite: Any, replace_global: bool = True, name: str | None = None
) -> Tensor:
    r"""Each string with the matches of a pattern replaced.

    pattern, rewrite: scalar strings; in `rewrite`, `\1` is the first group of the match, and `\0` all of it.
    replace_global: all matches, or only the first one.
    A run raises InvalidArgumentError for a pattern that is none.
    """
    everywhere = bool(replace_global)
    if isinstance(pattern, (str, bytes)) and isinstance(rewrite, (str, bytes)):
        fixed = {"pattern": text_of(pattern), "rewrite": text_of(rewrite)}
        texts = _operands(input)
        tensor: Tensor = add_op("StaticRegexReplace", *texts, name=name, replace_global=everywhere, **fixed)
        return tensor
    tensor = add_op("RegexReplace", *_operands(input, pattern, rewrite), name=name, replace_global=everywhere)
    return tensor


def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Tensor:
    """Whether a pattern matches each string from its beginning to its end, as bool.

    pattern: a scalar string.  A run raises InvalidArgumentError for a pattern that is none.
    """
    if isinstance(pattern, (str, bytes)):
        tensor: Tensor = add_op("StaticRegexFullMatch", *_operands(input), name=name, pattern=text_of(pattern))
        return tensor
    tensor = add_op("RegexFullMatch", *_operands(input, pattern), name=name)
    return tensor


def _operands(*values: Any) -> list[Tensor]:
    with scopes.building_in(graph_of(values)):
        names = ("input", "pattern", "rewrite")
        return [convert_to_tensor(value, string, name=name) for value, name in zip(values, names, strict=False)]


def _replace(texts: Array, pattern: str, rewrite: str, replace_global: bool) -> Array:
    most = None if replace_global else 1
    return _computed("replace_substring_regex", texts, pattern, pattern, replacement=rewrite, max_replacements=most)


def _matches(texts: Array, pattern: str) -> Array:
    return _computed("match_substring_regex", texts, pattern, rf"\A(?:{pattern})\z")


def _computed(function: str, texts: Array, pattern: str, used: str, **options: Any) -> Array:
    """A function of Arrow on strings, which are taken for UTF-8.  pattern: the user's, `used`: what Arrow gets."""
    import pyarrow as pa  # takes longer to import than all of dflow
    import pyarrow.compute as pc

    strings = pa.array(texts.reshape(-1), pa.large_binary()).view(pa.large_string())
    try:
        found = getattr(pc, function)(strings, used, **options)
    except pa.ArrowInvalid as error:
        raise InvalidArgumentError(None, None, f"Invalid pattern: {pattern}, error: {error}") from None
    if found.type == pa.large_string():
        found = found.view(pa.large_binary())
    result: Array = found.to_numpy(zero_copy_only=False)
    return result.reshape(texts.shape)


def _single(array: Array, what: str) -> str:
    if array.ndim:
        raise InvalidArgumentError(None, None, f"{what} must be scalar, but received {list(array.shape)}")
    return bytes(array.item()).decode()


def _scalars(dtype: Any) -> Any:
    def spec(texts: TensorSpec, *scalars: TensorSpec, **attrs: Any) -> TensorSpec:
        check(texts)
        for scalar in scalars:
            check(scalar, "a pattern")
            scalar.shape.with_rank(0)
        return TensorSpec(texts.shape, dtype)

    return spec


define("StaticRegexReplace", **rules_of_each(_replace))
define("StaticRegexFullMatch", **rules_of_each(_matches, bool_))
define(
    "RegexReplace",
    spec=_scalars(string),
    kernel=lambda texts, pattern, rewrite, replace_global: _replace(
        texts, _single(pattern, "Pattern"), _single(rewrite, "Rewrite"), replace_global
    ),
    gradient=NO_GRADIENT,
    batch=each_step,
    host_only=True,
)
define(
    "RegexFullMatch",
    spec=_scalars(bool_),
    kernel=lambda texts, pattern: _matches(texts, _single(pattern, "Pattern")),
    gradient=NO_GRADIENT,
    batch=each_step,
    host_only=True,
)
