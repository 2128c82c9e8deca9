"""Text from one encoding to another.

Source: tf.strings.unicode_transcode of TensorFlow 1.15.
"""

from __future__ import annotations

import codecs
from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op
from dflow.ops.text.each import Array, allowed, each, rules_of_each, strings
from dflow.registry import define

__all__ = ["unicode_transcode"]

_OUTPUTS = ("UTF-8", "UTF-16-BE", "UTF-32-BE")
_REPLACEMENT = 0xFFFD
_CONTROLS = tuple(range(0x20))


def unicode_transcode(
    input: Any,
    input_encoding: str,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = _REPLACEMENT,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Tensor:
    """Each string, which is text in one encoding, in another one.

    input_encoding: the name of any encoding that Python knows; output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
    errors: what happens to bytes that are no text: "strict": a run raises InvalidArgumentError; "replace": the
    character with the number `replacement_char` stands for them; "ignore": they are left out.
    replace_control_characters: whether that character also stands for each of the first 32 characters.
    """
    attrs = {
        "input_encoding": input_encoding,
        "output_encoding": allowed("output_encoding", output_encoding, _OUTPUTS),
        "errors": allowed("errors", errors, ("strict", "replace", "ignore")),
        "replacement_char": int(replacement_char),
        "replace_control_characters": bool(replace_control_characters),
    }
    tensor: Tensor = add_op("UnicodeTranscode", strings(input), name=name, **attrs)
    return tensor


def _kernel(
    texts: Array,
    input_encoding: str,
    output_encoding: str,
    errors: str,
    replacement_char: int,
    replace_control_characters: bool,
) -> Array:
    source, target = _codec(input_encoding), _codec(output_encoding)
    changes = {} if replacement_char == _REPLACEMENT else {_REPLACEMENT: replacement_char}
    if replace_control_characters:
        changes |= dict.fromkeys(_CONTROLS, replacement_char)

    def convert(text: bytes) -> bytes:
        try:
            decoded = source.decode(text, errors)[0]
        except UnicodeError:
            raise InvalidArgumentError(None, None, "Invalid formatting on input string") from None
        return target.encode(decoded.translate(changes) if changes else decoded, "replace")[0]

    return each(texts, convert)


def _codec(name: str) -> codecs.CodecInfo:
    try:
        return codecs.lookup(name)
    except LookupError:
        fact = f"Could not create converter for input encoding: {name}"
        raise InvalidArgumentError(None, None, fact) from None


define("UnicodeTranscode", **rules_of_each(_kernel))
