"""Strings in other clothes: decode_compressed, decode_base64, encode_base64."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from tests.oracle.tools import kind_of_error, session, shape


def encodings(tf: Any, folder: Path) -> dict[str, Any]:
    texts = [b"", b"a", b"ab", b"abc", b"\xff\xfe\xfd\xfb", b"hello" * 20]
    with session(tf) as sess:

        def plain(text: str) -> Any:
            made = tf.decode_base64(text)
            try:
                return sess.run(made)
            except tf.errors.InvalidArgumentError:
                return "fails"

        return {
            "base64": sess.run(tf.encode_base64([texts])),
            "padded": sess.run(tf.encode_base64(texts, pad=True)),
            "back": [sess.run(tf.decode_base64(tf.encode_base64(texts, pad=pad))) for pad in (False, True)],
            "decoded": {
                it: plain(it)
                for it in (
                    "a",
                    "ab",
                    "abc",
                    "a=",
                    "ab=",
                    "ab==",
                    "abc=",
                    "abc==",
                    "+/==",
                    "-_==",
                    "ab c",
                    "a\n",
                    "YW==YW",
                )
            },
            "compressed": {
                kind or "none": sess.run(tf.decode_compressed([[pack(it) for it in texts]], kind))
                for kind, pack in (("", bytes), ("ZLIB", zlib.compress), ("GZIP", gzip.compress))
            },
            "nothing": sess.run(tf.decode_compressed([b""], "ZLIB")),
            "behind": sess.run(tf.decode_compressed([zlib.compress(b"a") + b"zz"], "ZLIB")),
            "two": sess.run(tf.decode_compressed([gzip.compress(b"a") + gzip.compress(b"b")], "GZIP")),
            "broken": kind_of_error(lambda: sess.run(tf.decode_compressed([b"xxxxxx"], "ZLIB"))),
            "another kind": kind_of_error(lambda: sess.run(tf.decode_compressed([b""], "BZ2"))),
            "static": shape(tf.decode_compressed([[b""]])),
        }
