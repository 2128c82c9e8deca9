"""TestCase: a test with sessions of its own, a new default graph, and assertions about tensors, messages and errors.

Source: tf.test.TestCase of TensorFlow 1.15.
"""

from __future__ import annotations

import random
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
from google.protobuf import text_format

from dflow.devices import canonical_name
from dflow.errors import OpError
from dflow.graph import Graph, get_default_graph, reset_default_graph, scopes
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.session.session import Session
from dflow.test.arrays import ArrayAssertions
from dflow.test.environment import get_temp_dir, gpu_device_name

_SEED = 87654321  # of the graph and of NumPy in each test, so that a test is the same each time


class TestCase(ArrayAssertions):
    """A test.  Each one starts with an empty default graph and fixed seeds."""

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self._threads: list[_CheckedThread] = []
        self._folder: str | None = None
        self._cached: tuple[Session, Graph, Any, bool] | None = None

    def setUp(self) -> None:
        super().setUp()
        self._close_cached()
        random.seed(_SEED)
        np.random.seed(_SEED & 0xFFFFFFFF)
        if scopes.current_graph() is None:
            reset_default_graph()
        get_default_graph().seed = _SEED

    def tearDown(self) -> None:
        for thread in self._threads:
            thread.check_termination()
        self._close_cached()
        super().tearDown()

    def _close_cached(self) -> None:
        if self._cached is not None:
            self._cached[0].close()
            self._cached = None

    def get_temp_dir(self) -> str:
        """A folder for the files of this test."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(dir=get_temp_dir())
        return self._folder

    # -- sessions

    @contextmanager
    def session(
        self, graph: Graph | None = None, config: ConfigProto | None = None, use_gpu: bool = False,
        force_gpu: bool = False,
    ) -> Iterator[Session]:  # fmt: skip
        """A new session, which is the default one inside of the block, as is its graph.

        Without `use_gpu`, operations are built for the CPU; with `force_gpu`, for the GPU.
        """
        with Session("", graph, self._options(config, force_gpu)) as sess, _device(sess.graph, use_gpu, force_gpu):
            yield sess

    @contextmanager
    def cached_session(
        self, graph: Graph | None = None, config: ConfigProto | None = None, use_gpu: bool = False,
        force_gpu: bool = False,
    ) -> Iterator[Session]:  # fmt: skip
        """As `session`, but all blocks of a test have the same session.

        ValueError for another graph, other options or another `force_gpu` than in the first block.
        """
        if self._cached is None:
            self._cached = (Session("", graph, self._options(config, force_gpu)), graph or get_default_graph(), config,
                            force_gpu)  # fmt: skip
        sess, first, options, forced = self._cached
        if graph is not None and graph is not first:
            raise ValueError("The graph used to get the cached session is different than the one that was used to "
                             "create the session. Maybe create a new session with self.session()")  # fmt: skip
        if config is not None and config is not options:
            raise ValueError("The config used to get the cached session is different than the one that was used to "
                             "create the session. Maybe create a new session with self.session()")  # fmt: skip
        if force_gpu is not forced:
            raise ValueError("The force_gpu value used to get the cached session is different than the one that was "
                             "used to create the session. Maybe create a new session with self.session()")  # fmt: skip
        with sess.graph.as_default(), sess.as_default(), _device(sess.graph, use_gpu, force_gpu):
            yield sess

    def test_session(
        self, graph: Graph | None = None, config: ConfigProto | None = None, use_gpu: bool = False,
        force_gpu: bool = False,
    ) -> AbstractContextManager[Session]:  # fmt: skip
        """The old name: `session` for a graph, else `cached_session`."""
        if self.id().endswith(".test_session"):  # unittest takes it for a test
            self.skipTest("Not a test.")
        make = self.cached_session if graph is None else self.session
        return make(graph, config, use_gpu, force_gpu)

    @staticmethod
    def _options(config: ConfigProto | None, force_gpu: bool) -> ConfigProto:
        options = ConfigProto()
        if config is not None:
            options.CopyFrom(config)
        options.allow_soft_placement = not force_gpu
        return options

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, or of lists, tuples and dicts of them, in the default session or that of the test."""
        sess = scopes.get_default_session()
        if sess is not None:
            return sess.run(tensors)
        with self.test_session() as sess:
            return sess.run(tensors)

    # -- threads

    def checkedThread(
        self, target: Callable[..., Any], args: Any = None, kwargs: dict[str, Any] | None = None
    ) -> _CheckedThread:
        """A thread whose exceptions fail the test, when it is joined or at the end."""
        thread = _CheckedThread(self, target, args or (), kwargs or {})
        self._threads.append(thread)
        return thread

    # -- errors

    @contextmanager
    def assertRaisesWithPredicateMatch(  # type: ignore[override]
        self, exception_type: Any, expected_err_re_or_predicate: str | Callable[[Any], bool]
    ) -> Iterator[None]:
        """The block raises an exception of this class, which a function accepts, or whose text has a pattern.

        The text of an OpError is its message, with the names and kinds of its operation and of those it came from.
        """
        expected = expected_err_re_or_predicate
        try:
            yield
        except exception_type as error:
            fits = expected(error) if callable(expected) else re.search(expected, _text(error)) is not None
            if not fits:
                raise AssertionError(f"Exception of type {type(error)}: {error}") from error
        else:
            self.fail(f"{getattr(exception_type, '__name__', exception_type)} not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> AbstractContextManager[None]:
        """As `assertRaisesWithPredicateMatch`, for the class OpError."""
        return self.assertRaisesWithPredicateMatch(OpError, expected_err_re_or_predicate)

    # -- messages and names

    def assertProtoEquals(self, expected_message_maybe_ascii: Any, message: Any, msg: str | None = None) -> None:
        """A message equals another one, or the one that a text describes."""
        expected = expected_message_maybe_ascii
        if isinstance(expected, (str, bytes)):
            expected = text_format.Parse(expected, type(message)())
        if not isinstance(expected, type(message)) and type(expected).__name__ != type(message).__name__:
            self.fail(f"Can't compare protos of type {type(expected)} and {type(message)}. {msg or ''}")
        self.assertMultiLineEqual(  # type: ignore[no-untyped-call]
            text_format.MessageToString(expected), text_format.MessageToString(message), msg
        )

    def assertProtoEqualsVersion(
        self, expected: str, actual: Any, producer: int | None = None, min_consumer: int | None = None,
        msg: str | None = None,
    ) -> None:  # fmt: skip
        """As `assertProtoEquals`, for a GraphDef: its versions are added to the text."""
        versions = actual.versions
        producer = versions.producer if producer is None else producer
        min_consumer = versions.min_consumer if min_consumer is None else min_consumer
        consumer = f" min_consumer: {min_consumer}" if min_consumer else ""
        self.assertProtoEquals(f"versions {{ producer: {producer}{consumer} }};\n{expected}", actual, msg)

    def assertStartsWith(self, actual: str, expected_start: str, msg: str | None = None) -> None:
        """A text begins with another one."""
        if not actual.startswith(expected_start):
            self.fail(f"{actual!r} does not start with {expected_start!r}{f' : {msg}' if msg else ''}")

    def assertDeviceEqual(self, device1: Any, device2: Any, msg: str | None = None) -> None:
        """Two names of devices mean the same one, in long or short form."""
        first, second = canonical_name(device1 or ""), canonical_name(device2 or "")
        self.assertEqual(first, second, f"Devices {first} and {second} are not equal. {msg or ''}")

    def assertItemsEqual(self, expected_seq: Any, actual_seq: Any, msg: str | None = None) -> None:
        """Two collections have the same items, in any order."""
        self.assertCountEqual(expected_seq, actual_seq, msg)

    def assertEquals(self, first: Any, second: Any, msg: Any = None) -> None:
        """The old name of `assertEqual`."""
        self.assertEqual(first, second, msg)

    def assertRaisesRegexp(  # type: ignore[override]
        self, expected_exception: Any, expected_regexp: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """The old name of `assertRaisesRegex`."""
        return self.assertRaisesRegex(expected_exception, expected_regexp, *args, **kwargs)

    def assertRegexpMatches(self, text: Any, regexp: Any, msg: Any = None) -> None:
        """The old name of `assertRegex`."""
        self.assertRegex(text, regexp, msg)


def _device(graph: Graph, use_gpu: bool, force_gpu: bool) -> AbstractContextManager[None]:
    if force_gpu:
        return graph.device(gpu_device_name() or "/device:GPU:0")
    return nullcontext() if use_gpu else graph.device("/device:CPU:0")


def _text(error: BaseException) -> str:
    """What an error says, with the operation that it came from and those that made its inputs."""
    text = error.message if isinstance(error, OpError) else str(error)
    op = getattr(error, "op", None)
    seen = 0
    while op is not None and seen < 10:
        text += f"\nCaused by: {op.name} ({op.type})"
        op, seen = getattr(op, "_original_op", None), seen + 1
    return text


class _CheckedThread:
    """A thread that keeps the exception of its function for the test."""

    def __init__(self, case: TestCase, target: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
        self._case = case
        self._call = (target, args, kwargs)
        self._thread = threading.Thread(target=self._run)
        self._error: BaseException | None = None
        self._joined = False

    def _run(self) -> None:
        target, args, kwargs = self._call
        try:
            target(*args, **kwargs)
        except BaseException as error:
            self._error = error

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for its end; it fails the test if its function raised."""
        self._joined = True
        self._thread.join()
        if self._error is not None:
            self._case.fail(f"Error in checkedThread: {self._error!r}")

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def check_termination(self) -> None:
        """Fail the test if it still runs; join it if nobody did."""
        if self._joined:
            if self.is_alive():
                self._case.fail("A checked thread was not terminated after it was joined.")
        elif self.is_alive():
            self._case.fail("A checked thread was not joined and still runs.")
        elif self._thread.ident is not None:
            self.join()
