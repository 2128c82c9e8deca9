"""What a program uses before it builds its graph: flags, its entry, its log, text, versions, switches."""

from __future__ import annotations

import datetime
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import dflow as df
from dflow.compat import forward

PROGRAM = """
import dflow.compat.v1 as tf
tf.disable_v2_behavior()
tf.flags.DEFINE_integer("steps", 3, "How many.")
tf.app.flags.DEFINE_string(flag_name="name", default_value="x", docstring="Its name.")
tf.flags.DEFINE_boolean("fast", False, "Whether.")
FLAGS = tf.app.flags.FLAGS
if {early}:
    print("early", FLAGS.steps)

def main(argv):
    print(FLAGS.steps, FLAGS.name, FLAGS.fast, argv[1:], tf.executing_eagerly())

if __name__ == "__main__":
    tf.app.run()
"""


@pytest.mark.parametrize("early", [False, True])
def test_a_program_reads_its_flags_and_runs_main(tmp_path: Path, early: bool) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(early=early))
    arguments = ["--steps=5", "--fast", "rest"] + ([] if early else ["--unknown=1"])
    ended = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, cwd=Path(__file__).parents[1],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    rest = ["rest"] if early else ["rest", "--unknown=1"]
    assert ended.stdout.splitlines() == (["early 5"] if early else []) + [f"5 x True {rest} False"]


def test_the_flags_of_absl_are_there_under_tensorflows_names() -> None:
    names = """
    ArgumentParser ArgumentSerializer BaseListParser BooleanFlag BooleanParser CantOpenFlagFileError
    CsvListSerializer DEFINE DEFINE_alias DEFINE_bool DEFINE_boolean DEFINE_enum DEFINE_enum_class DEFINE_flag
    DEFINE_float DEFINE_integer DEFINE_list DEFINE_multi DEFINE_multi_enum DEFINE_multi_enum_class
    DEFINE_multi_float DEFINE_multi_integer DEFINE_multi_string DEFINE_spaceseplist DEFINE_string DuplicateFlagError
    EnumClassFlag EnumClassListSerializer EnumClassParser EnumClassSerializer EnumFlag EnumParser Error FLAGS Flag
    FlagHolder FlagNameConflictsWithMethodError FlagValues FloatParser IllegalFlagValueError IntegerParser
    ListParser ListSerializer MultiEnumClassFlag MultiFlag UnparsedFlagAccessError UnrecognizedFlagError
    ValidationError WhitespaceSeparatedListParser adopt_module_key_flags declare_key_flag disclaim_key_flags
    doc_to_help flag_dict_to_args get_help_width mark_bool_flags_as_mutual_exclusive mark_flag_as_required
    mark_flags_as_mutual_exclusive mark_flags_as_required multi_flags_validator override_value
    register_multi_flags_validator register_validator set_default text_wrap validator
    """
    assert df.flags.__all__ == names.split() == sorted(names.split())
    assert df.app.flags is df.flags


def test_a_log_has_levels_and_counts_the_calls_of_a_line(caplog: pytest.LogCaptureFixture) -> None:
    log = df.logging
    before = log.get_verbosity()
    log.set_verbosity(log.DEBUG)
    try:
        for i in range(5):
            log.log_first_n(log.INFO, "first %d", 2, i)
            log.log_every_n(log.INFO, "every %d", 2, i)
        log.debug("d")
        log.info("i %s", 1)
        log.warn("w")
        log.warning("w")
        log.error("e")
        log.fatal("f")
        log.log(log.WARN, "l")
        log.vlog(log.ERROR, "v")
        log.log_if(log.INFO, "no", False)
        log.TaskLevelStatusMessage("t")
        log.flush()
        log.set_verbosity(log.FATAL)
        log.error("not shown")
    finally:
        log.set_verbosity(before)
    counted = [record.getMessage() for record in caplog.records[:5]]
    assert counted == ["first 0", "every 0", "first 1", "every 2", "every 4"]
    assert [(record.getMessage(), record.levelno) for record in caplog.records[5:]] == [
        ("d", 10), ("i 1", 20), ("w", 30), ("w", 30), ("e", 40), ("f", 50), ("l", 30), ("v", 40), ("t", 40),
    ]  # fmt: skip
    assert {Path(record.pathname).name for record in caplog.records} == {"test_program_parts.py"}
    assert logging.getLogger("tensorflow").name == "tensorflow"


def test_text_becomes_bytes_and_back() -> None:
    compat = df.compat
    assert (compat.as_bytes("ä"), compat.as_bytes(bytearray(b"a")), compat.as_text(b"a")) == (b"\xc3\xa4", b"a", "a")
    assert (compat.as_str(b"a"), compat.as_str_any(1), compat.path_to_str(Path("a"))) == ("a", "1", "a")
    for wrong in (compat.as_bytes, compat.as_text):
        with pytest.raises(TypeError, match="Expected binary or unicode string"):
            wrong(1)
    kinds = (compat.integral_types, compat.real_types, compat.complex_types, compat.bytes_or_text_types)
    assert [isinstance(1, kind) for kind in kinds] == [True, True, True, False]
    assert compat.dimension_value(df.Dimension(3)) == compat.dimension_at_index([3], 0).value == 3


def test_a_program_may_use_what_tensorflow_had_before_its_version() -> None:
    day = forward._FORWARD_COMPATIBILITY_HORIZON
    before = day - datetime.timedelta(1)
    assert df.compat.forward_compatible(before.year, before.month, before.day)
    assert not df.compat.forward_compatible(day.year, day.month, day.day)
    with df.compat.forward_compatibility_horizon(day.year + 1, 1, 1):
        assert df.compat.forward_compatible(day.year, day.month, day.day)


def test_the_versions_are_those_of_the_tensorflow_whose_names_these_are() -> None:
    import dflow.compat.v1 as tf

    assert df.VERSION == df.version.VERSION == tf.__version__ == "1.15.0"
    assert tf.constant is df.constant
    assert (df.GIT_VERSION, df.COMPILER_VERSION) == (df.version.GIT_VERSION, df.version.COMPILER_VERSION)
    assert set(df.__all__) <= set(dir(tf))
    with pytest.raises(AttributeError):
        _ = tf.__path__


def test_the_switches_between_version_1_and_2_leave_all_as_it_is() -> None:
    for switch in (
        df.disable_v2_behavior,
        df.disable_eager_execution,
        df.disable_control_flow_v2,
        df.disable_tensor_equality,
        df.disable_v2_tensorshape,
        df.enable_control_flow_v2,
    ):
        switch()
    for wanted in (
        df.enable_eager_execution,
        df.enable_v2_behavior,
        df.enable_tensor_equality,
        df.enable_v2_tensorshape,
    ):
        with pytest.warns(UserWarning, match="dflow has the behaviour of TensorFlow 1"):
            wanted()
    assert not df.executing_eagerly()
    assert not df.executing_eagerly_outside_functions()
    assert not df.control_flow_v2_enabled()


def test_files_beside_a_module_are_found() -> None:
    here = str(Path(__file__).parent)
    loader = df.resource_loader
    assert loader.get_data_files_path() == loader.get_root_dir_with_all_resources() == here
    assert loader.get_path_to_datafile("a.txt") == loader.readahead_file_path(f"{here}/a.txt")
    assert loader.load_resource("py.typed") == (Path(df.__file__).parent / "py.typed").read_bytes()


def test_the_versions_of_graphs_are_those_of_tensorflow() -> None:
    assert (df.GRAPH_DEF_VERSION, df.GRAPH_DEF_VERSION_MIN_CONSUMER, df.GRAPH_DEF_VERSION_MIN_PRODUCER) == (134, 0, 0)
    assert df.version.GRAPH_DEF_VERSION == df.GRAPH_DEF_VERSION
    assert df.version.GRAPH_DEF_VERSION_MIN_CONSUMER == df.version.GRAPH_DEF_VERSION_MIN_PRODUCER == 0
