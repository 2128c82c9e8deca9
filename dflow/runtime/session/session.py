"""Sessions, with which a user's program runs its graph on devices.

A session compiles a plan once for each set of fetches and feeds (`plans.py`).  Its backend runs the plan: on device
executors in this process (`local.py`) or on the workers of a Dask cluster (`cluster.py`).
Source: tf.Session of TensorFlow 1.15.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any

from dflow import forks
from dflow.cluster.spec import ClusterSpec
from dflow.compile import LoopSpec, Plan
from dflow.dead import DEAD
from dflow.devices import DeviceSpec
from dflow.dtypes import DType
from dflow.errors import CancelledError, InvalidArgumentError, NotFoundError, OpError, OpInfo
from dflow.graph import Graph, Operation, Tensor, get_default_graph, scopes
from dflow.ops.session_ops import TensorHandle, delete_dead
from dflow.runtime.base import settings
from dflow.runtime.base.config import ConfigProto, RunMetadata, RunOptions, checked_config, checked_options
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.transfers import fetched_all
from dflow.runtime.session import step_stats
from dflow.runtime.session.backend import Backend, HasActors
from dflow.runtime.session.fetches import FetchMap, feed_tensor, feed_value, feeds_of, flat, flat_feed
from dflow.runtime.session.local import LocalBackend
from dflow.runtime.session.loop_handle import Loop, driver_of, notes_of
from dflow.runtime.session.partial import PartialRun, PartialRuns
from dflow.runtime.session.plans import Plans


class BaseSession:
    """A session without a `with` statement, the base of `Session` and `InteractiveSession`."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: ConfigProto | None = None) -> None:
        target = target.decode() if isinstance(target, bytes) else target
        if target is not None and not isinstance(target, str):
            raise TypeError(f"target must be a string, but got {target!r}")
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"graph must be a tf.Graph, but got {type(graph)}")
        self._graph = graph if graph is not None else get_default_graph()
        self._config = checked_config(config)
        self._target = target or ""
        self._closed = False
        self._dead_handles: deque[bytes] = deque()
        self._home = forks.Home("this session", "make a new session here")
        self._loop_numbers = itertools.count()
        self._partial_runs = PartialRuns()
        if self._config.log_device_placement:
            _show_placements()
        self._backend = _make_backend(self._target, self._config)
        self.plans = Plans(self._backend, self._config)
        forks.in_child(self, type(self)._forked)

    def _forked(self) -> None:
        """In a forked child: a session is the parent's, except for a local one that was idle at the fork."""
        if not self._closed and (self._target or self.plans.in_use()):
            self._home.leave()
            self._closed = True

    def check_process(self) -> None:
        """FailedPreconditionError in a forked child, for a session of its parent."""
        self._home.check()

    # -- properties, devices and state

    @property
    def graph(self) -> Graph:
        return self._graph

    @property
    def graph_def(self) -> Any:
        """The graph as it is now, as a GraphDef."""
        return self._graph.as_graph_def(add_shapes=True)

    @property
    def sess_str(self) -> str:
        return self._target

    @property
    def target(self) -> str:
        return self._target

    @property
    def closed(self) -> bool:
        """Whether the session is closed.  In a forked child, also whether it belongs to the parent."""
        return self._closed

    @property
    def backend(self) -> Backend:
        self._home.check()
        return self._backend

    def list_devices(self) -> list[Any]:
        """The devices that the session may use."""
        return list(self.backend.devices().devices)

    def cluster_spec(self) -> ClusterSpec:
        """The jobs and tasks of the session's devices, with the addresses of their workers ("" in this process)."""
        jobs: dict[str, dict[int, str]] = {}
        for device in self.backend.devices(fresh=True).devices:
            spec = DeviceSpec.from_string(device.name)
            jobs.setdefault(spec.job or "", {}).setdefault(spec.task or 0, device.address)
        return ClusterSpec(jobs)

    def actor(self, resource: Any) -> Any:
        """The Dask actor of a queue, of a reader, or of the container that a variable is in.

        The first run that uses the resource makes it.  Its methods are those of the object on the worker, and return
        futures: `sess.actor(queue).row().result()`, `sess.actor(variable).read(["w"]).result()`.
        NotFoundError in a local session, and for a resource that no run of this session has used.
        """
        backend = self.backend
        if not isinstance(backend, HasActors):
            raise NotFoundError(None, None, "a local session has no actors; its target is no Dask cluster")
        return backend.actor(resource.spec)

    def queue_rows(self) -> list[dict[str, Any]]:
        """One row for each queue of the session's devices: its size, its waiting attempts, the last operation on it."""
        with self.plans.used():
            return self.backend.queue_rows()

    # -- running

    def run(
        self,
        fetches: Any,
        feed_dict: dict[Any, Any] | None = None,
        options: RunOptions | None = None,
        run_metadata: RunMetadata | None = None,
    ) -> Any:
        """Run the operations that `fetches` need, once, and return the fetched values in the same structure.

        fetches: a tensor, an operation (value None), the name of one, or nested lists, tuples and dicts of these.
        feed_dict: tensor -> value, for any tensor of the graph; its producer is not run then.
        Or a tuple of tensors -> a tuple of as many values.
        Waits for operations that wait; `options.timeout_in_ms` limits it (DeadlineExceededError).  May be called from
        many threads at once.  Raises the first OpError of the step, RuntimeError on a closed session or an empty graph.
        """
        self._check_usable()
        fetch_map = FetchMap(self._graph, fetches, self._handle_of)
        feeds = {} if feed_dict is None else feeds_of(self._graph, feed_dict)
        if not fetch_map.elements:
            return fetch_map.rebuild(())
        return self._run(fetch_map, tuple(feeds), list(feeds.values()), options, run_metadata)

    def partial_run_setup(self, fetches: Any, feeds: Sequence[Any] | None = None) -> str:
        """Begin a step that several calls of `partial_run` make together; gives its handle.

        fetches, feeds: all that the calls will fetch and feed.  InvalidArgumentError for no fetches.
        """
        self._check_usable()
        elements = FetchMap(self._graph, fetches).elements
        tensors = [feed_tensor(self._graph, key) for key in flat(list(feeds or ()))]
        return self._partial_runs.add(PartialRun(self._graph, elements, tensors), elements)

    def partial_run(self, handle: str, fetches: Any, feed_dict: dict[Any, Any] | None = None) -> Any:
        """Go on with a step: feed and fetch more of it, each tensor once; gives the values as `run` does.

        No operation runs twice in a step, unless another one has a control dependency on it.
        InvalidArgumentError for a handle of a step that has ended, for what `partial_run_setup` was not told of, and
        for what was fed or fetched before.
        """
        self._check_usable()
        fetch_map = FetchMap(self._graph, fetches, self._handle_of)
        feeds = {} if feed_dict is None else feeds_of(self._graph, feed_dict)

        def run(wanted: Sequence[Tensor | Operation], known: Mapping[Tensor, Any]) -> Sequence[Any]:
            values: list[Any] = self._run(FetchMap(self._graph, list(wanted)), tuple(known), list(known.values()))
            return values

        values, ended = self._partial_runs.find(handle).call(fetch_map.elements, feeds, run)
        if ended:
            self._partial_runs.end(handle)
        return fetch_map.rebuild(values)

    def _handle_of(self, handle: bytes, dtype: DType) -> TensorHandle:
        """The value of a fetched `get_session_handle`."""
        delete_dead(self, self._dead_handles)
        return TensorHandle(handle, dtype, self, self._dead_handles)

    def run_aside(self, operation: Operation) -> None:
        """Run an operation on behalf of dflow, such as the close of a queue at a stop.

        As `run` does, but a loss of state on a device is not reported: the program's own runs report it.
        """
        self._check_usable()
        self._run(FetchMap(self._graph, operation), (), (), None, None, program=False)

    def _run(
        self,
        fetch_map: FetchMap,
        feeds: tuple[Tensor, ...],
        values: Sequence[Any],
        options: RunOptions | None = None,
        run_metadata: RunMetadata | None = None,
        program: bool = True,
    ) -> Any:
        deadline = self._deadline(options)
        try:
            traced = run_metadata is not None and options is not None and options.trace_level > 0
            plan = self.plans.take(fetch_map.elements, feeds, deadline, program=program, traced=traced)
            try:
                if traced:
                    self._backend.trace(plan, deadline)  # forget the calls of a run that failed
                results = self._backend.run(plan, values, deadline)
                if run_metadata is not None:
                    self._tell_of_run(plan, run_metadata, traced, deadline)
            finally:
                self.plans.done(plan)
            _check_alive(fetch_map, results)
        except Exception as error:
            self._tell(error, "the run")
            raise
        fed = [i for i, element in enumerate(fetch_map.elements) if element in feeds] if feeds else ()
        return fetch_map.rebuild(fetched_all(results, fed))

    def _tell_of_run(self, plan: Plan, run_metadata: RunMetadata, traced: bool, deadline: Deadline) -> None:
        run_metadata.Clear()
        run_metadata.placement.update(plan.placement)
        if traced:
            step_stats.fill(run_metadata.step_stats, self._backend.trace(plan, deadline), self._graph)

    def make_callable(self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False) -> Any:
        """A function that runs `fetches`: `f(*values)`, one value for each tensor, or tuple of them, of `feed_list`."""
        self._check_usable()
        fetch_map = FetchMap(self._graph, fetches, self._handle_of)
        keys = list(feed_list or ())
        tensors = [feed_tensor(self._graph, key) for key in flat(keys)]
        nested = any(isinstance(key, tuple) for key in keys)

        def call(*args: Any, options: RunOptions | None = None, run_metadata: RunMetadata | None = None) -> Any:
            if len(args) != len(keys):
                raise TypeError(f"expected {len(keys)} values, got {len(args)}")
            if not accept_options and (options is not None or run_metadata is not None):
                raise TypeError("options and run_metadata need make_callable(..., accept_options=True)")
            self._check_usable()
            fed: Sequence[Any] = args
            if nested:
                fed = [value for pair in zip(keys, args, strict=True) for _, value in flat_feed(*pair)]
            values = [feed_value(tensor, value) for tensor, value in zip(tensors, fed, strict=True)]
            return self._run(fetch_map, tuple(tensors), values, options, run_metadata)

        return call

    def repeat(
        self,
        fetches: Any,
        steps: int | None = None,
        *,
        every: int = 100,
        device: Any = None,
        name: str | None = None,
    ) -> Loop:
        """Run `fetches` again and again on the workers, without this process in between.

        Returns a `Loop` when its worker has accepted it.  The session's `operation_timeout_in_ms` limits the wait for
        that, but not the steps.

        The loop ends after `steps` iterations, or, with steps=None, when an iteration ends with OutOfRangeError, the
        end of the input.  `loop.stop()` stops it; `loop.join()` waits for its end and raises the error that ended it.
        Iterate over the loop for the values of the fetched tensors.  They come every `every` iterations, and at the
        last one of `steps`.  Of unread values, the newest 1,000 are kept.  To stop iterating does not stop the loop.
        device: the driver, whose process runs the loop and starts the parts of its steps.  By default, it is a device
        that can prefetch the loop's elements, or from which a step needs the fewest messages, such as the device of
        the parameters.  TypeError or ValueError for wrong numbers.
        """
        self._check_usable()
        fetch_map = FetchMap(self._graph, fetches)
        if not fetch_map.elements:
            raise ValueError(f"there is nothing to repeat in {fetches!r}")
        _check_count("steps", steps, 0)
        _check_count("every", every, 1)
        deadline = self._deadline()
        label = name or fetch_map.elements[0].name.partition(":")[0]
        try:
            plan = self.plans.take(fetch_map.elements, (), deadline)
            try:
                fast = settings.fast_loops()
                driver = driver_of(plan, device, fast)
                notes = notes_of(plan, driver, label) if fast else ("the setting dflow.fast-loops is off",)
                if fast:
                    plan = self.plans.take_for_loop(plan, driver, deadline)
                spec = LoopSpec(
                    session=self._backend.session,
                    name=f"{label}-{next(self._loop_numbers)}",
                    call=plan.call,
                    driver=driver,
                    label=label,
                    steps=steps,
                    every=every,
                    names=fetch_map.names,
                    vectorized=fast and plan.vectorized is not None,
                    prefetch=plan.prefetch,
                    pipelined=plan.pipelined,
                    notes=notes,
                )
                loop = Loop(spec, fetch_map, self._with_op)
                self._backend.repeat(plan, loop, deadline)
            except BaseException:
                self.plans.done(plan)
                raise
        except Exception as error:
            self._tell(error, f"the start of the loop {label!r}")
            raise
        loop.call_at_end(lambda: self.plans.done(plan))
        return loop

    def _deadline(self, options: RunOptions | None = None) -> Deadline:
        """The deadline of a run that starts now."""
        asked = 0 if options is None else checked_options(options).timeout_in_ms
        milliseconds = asked or self._config.operation_timeout_in_ms
        return Deadline(milliseconds / 1000) if milliseconds else NEVER

    def _tell(self, error: Exception, what: str) -> None:
        """Prepare an error for the user.  Raises CancelledError in its place if the session was closed meanwhile."""
        if self._closed and not isinstance(error, CancelledError):  # a connection that ends may raise any error
            raise CancelledError(None, None, f"{what} was cancelled: its session was closed") from error
        if isinstance(error, OpError):
            self._with_op(error)

    def _with_op(self, error: OpError) -> OpError:
        """Add the operation of this graph that the error names to the error, and return it."""
        if error.op is None and error.node_def is not None:
            with suppress(KeyError, ValueError):
                error.op = self._graph.get_operation_by_name(error.node_def.name)
        return error

    def _check_usable(self) -> None:
        if self._closed:
            self._home.check()
            raise RuntimeError("Attempted to use a closed Session.")
        if self._graph.version == 0:
            raise RuntimeError("The Session graph is empty. Add operations to the graph before calling run().")

    # -- the end

    def close(self) -> None:
        """Cancel runs in other threads (CancelledError there), stop loops, drop private state.  Harmless twice.

        In a forked child: FailedPreconditionError for a session of its parent; the end of a `with` block is silent.
        """
        self._home.check()
        if not self._closed:
            self._closed = True
            self._backend.close()

    def as_default(self) -> AbstractContextManager[Any]:
        """A context in which this is the default session of the thread.  Its end does not close the session."""
        return scopes.default_session_scope(self)

    def __del__(self) -> None:
        # The interpreter may be near its end, and start no thread then.  The channels end with it.
        with suppress(Exception):
            if not self._closed and not sys.is_finalizing():
                self._closed = True
                self._backend.close(wait=False)  # the thread that collects garbage must not wait

    @staticmethod
    def reset(target: str, containers: Iterable[str] | None = None, config: ConfigProto | None = None) -> None:
        """Drop the state in the named containers of a cluster (None or empty: the default ones).

        The default container of a task has the name of its job.
        As in TensorFlow, it ends all sessions of that target, of any program and with any containers: their runs and
        loops, those under way and later ones, end with AbortedError.  New sessions work.
        """
        if not target:
            raise NotFoundError(None, None, "a local session's state ends with it; reset needs a cluster's address")
        _check_address(target)
        from dflow.runtime.session.cluster import reset_cluster

        reset_cluster(target, list(containers or ()), checked_config(config))


class Session(BaseSession):
    """A session: `with Session(target) as sess:` makes it and its graph the default, and closes it at the end.

    target: "" for a session in this process; a Dask scheduler's address (`tcp://host:8786`) for a cluster.
    graph: the graph that it runs, by default the default graph.  config: a ConfigProto.
    TypeError for arguments of a wrong type; NotFoundError for a target that is no address; UnavailableError for a
    scheduler that cannot be reached.
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config: ConfigProto | None = None) -> None:
        self._blocks: ExitStack | None = None
        super().__init__(target, graph, config)

    def __enter__(self) -> Session:
        if self._blocks is not None:
            raise RuntimeError("Session context managers are not re-entrant. Use `Session.as_default()` instead.")
        self._blocks = ExitStack()
        self._blocks.enter_context(self.graph.as_default())
        self._blocks.enter_context(self.as_default())
        return self

    def __exit__(self, *exc_info: Any) -> None:
        blocks = self._blocks
        try:
            if blocks is not None:
                blocks.__exit__(*exc_info)
        finally:
            if not self._home.elsewhere:
                self.close()


def _check_alive(fetch_map: FetchMap, results: Sequence[Any]) -> None:
    """InvalidArgumentError for a tensor of a branch that was not taken.  An operation of such a branch has no value."""
    for i, (element, value) in enumerate(zip(fetch_map.elements, results, strict=True)):
        if value is DEAD and isinstance(element, Tensor):
            op = element.op
            info = OpInfo(op.name, op.type, op.device, op.made_at)
            fact = f"Retval[{i}] does not have value: {element.name} is in a branch that was not taken"
            raise InvalidArgumentError(info, op, fact)


def _check_count(what: str, number: int | None, least: int) -> None:
    if number is None:
        return
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{what} must be an integer, got {number!r}")
    if number < least:
        raise ValueError(f"{what} must be at least {least}, got {number}")


def _show_placements() -> None:
    """Show the log of placements, which the user asked for, also in a program without a logging configuration."""
    placements = logging.getLogger("dflow.placement")
    if not placements.isEnabledFor(logging.INFO):
        placements.setLevel(logging.INFO)
    if not placements.hasHandlers():
        placements.addHandler(logging.StreamHandler())


def _make_backend(target: str, config: ConfigProto) -> Backend:
    if not target:
        return LocalBackend(config)
    _check_address(target)
    from dflow.runtime.session.cluster import ClusterBackend

    return ClusterBackend(target, config)


def _finish_import() -> None:
    """Before a fork: wait for a thread that is importing `cluster`.  Its import lock would stay locked in the child."""
    if "dflow.runtime.session.cluster" in sys.modules:
        with suppress(Exception):  # the importing thread gets the error
            importlib.import_module("dflow.runtime.session.cluster")


os.register_at_fork(before=_finish_import)


def _check_address(target: str) -> None:
    if "://" not in target:
        raise NotFoundError(
            None,
            None,
            f"No session factory registered for the given session options: target {target!r} is no address of a Dask "
            "scheduler, such as tcp://127.0.0.1:8786; use '' for a session in this process",
        )
