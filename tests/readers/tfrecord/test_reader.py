"""The reader of TFRecord files, and what it does where one is broken."""

import base64
import gzip
import json
import logging
import os
from pathlib import Path
from random import Random
from typing import Any

import fsspec
import pytest

import dflow as df
from dflow.errors import DataLossError, FailedPreconditionError
from dflow.readers.tfrecord import reader as tfrecord
from dflow.readers.tfrecord.framing import framed, framed_records, num_whole
from dflow.readers.tfrecord.io import TFRecordOptions
from dflow.readers.tfrecord.reader import TFRecordReader, TFRecords
from tests.readers.bounds import bounded
from tests.readers.helpers import file_names, mutated, records, run_to_end, values


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records"


def changed(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


@pytest.mark.parametrize(("compression", "pack"), [("", bytes), ("GZIP", gzip.compress)])
def test_keys_are_the_file_and_the_offset_of_the_record(path: Path, compression: str, pack: Any) -> None:
    """D16.23"""
    path.write_bytes(pack(framed(b"ab") + framed(b"cd") + framed(b"ef")))
    name = os.fsencode(path)
    expected = [(name + b":0", b"ab"), (name + b":18", b"cd"), (name + b":36", b"ef")]
    assert records(TFRecords(compression), path) == expected
    assert records(TFRecords(compression), path, 18) == expected[1:]


def test_an_empty_file_has_no_records(path: Path) -> None:
    """D16.24"""
    path.write_bytes(b"")
    assert values(TFRecords(), path) == values(TFRecords("ZLIB"), path) == []


def test_batches_do_not_cross_into_the_next_file(tmp_path: Path) -> None:
    """D16.25"""
    for name, n in {"a": 7, "b": 4}.items():
        (tmp_path / name).write_bytes(gzip.compress(framed(b"xx") * n))
    reader = TFRecordReader(options=TFRecordOptions("GZIP"))
    queue, fill = file_names(tmp_path / "a", tmp_path / "b")
    keys, _ = reader.read_up_to(queue, 3)
    with df.Session() as sess:
        sess.run(fill)
        assert [len(found) for found in run_to_end(sess, keys)] == [3, 3, 1, 3, 1]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (framed(b"ab") + framed(b"cd")[:-1], "truncated record at 18"),
        (framed(b"ab") + changed(framed(b"cd"), 0), "corrupted record at 18"),
        (framed(b"ab") + changed(framed(b"cd"), 13), "corrupted record at 18"),
    ],
)
def test_a_broken_record_is_a_data_loss_and_the_reader_stays_there(path: Path, content: bytes, fact: str) -> None:
    """D16.24"""
    path.write_bytes(content)
    queue, fill = file_names(path)
    reader = TFRecordReader()
    _, value = reader.read(queue)
    with df.Session() as sess:
        sess.run(fill)
        assert sess.run(value) == b"ab"
        for _ in range(2):
            with pytest.raises(DataLossError, match=fact):
                sess.run(value)
        assert sess.run([reader.num_records_produced(), reader.num_left_out()]) == [1, 0]


def test_unknown_options_are_found_while_the_graph_is_built() -> None:
    """F19.5"""
    with pytest.raises(ValueError, match="Not a valid compression_type"):
        TFRecordReader(options="BZIP2")
    with pytest.raises(ValueError, match="on_corrupt"):
        TFRecordReader(on_corrupt="")
    with pytest.raises(ValueError, match=r'"error", "skip" or the path of a file, got .ignore.; "\./ignore"'):
        TFRecordReader(on_corrupt="ignore")
    for path in ("./ignore", "broken.jsonl", "memory://broken", Path("ignore")):
        TFRecordReader(on_corrupt=path)


# -- leaving out what is broken


def test_a_reader_goes_on_behind_what_is_broken_and_counts_it(path: Path, tmp_path: Path) -> None:
    parts = [framed(b"%d" % i * 50) for i in range(6)]
    parts[1] = changed(parts[1], 30)  # its payload
    parts[3] = changed(parts[3], 3)  # its length
    path.write_bytes(b"".join(parts)[:-1])  # and the last one is cut off
    reader = TFRecordReader(on_corrupt="skip")
    queue, fill = file_names(path, path)
    _, value = reader.read(queue)
    with df.Session() as sess:
        sess.run(fill)
        assert run_to_end(sess, value) == [b"0" * 50, b"2" * 50, b"4" * 50] * 2
        assert sess.run(reader.num_left_out()) == 6


def test_what_is_left_out_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(framed(b"ab") + b"noise" + framed(b"cd"))
    with caplog.at_level(logging.WARNING):
        assert values(TFRecords(on_corrupt="skip"), path) == [b"ab", b"cd"]
    assert caplog.messages == [f"{path}; corrupted record at 18: 5 bytes were left out"]


@pytest.mark.parametrize("remote", [False, True])
def test_what_is_left_out_goes_to_the_quarantine_file(path: Path, tmp_path: Path, remote: bool) -> None:
    noise = Random(1).randbytes(200_000)
    path.write_bytes(framed(b"ab") + noise + framed(b"cd") + b"end")
    quarantine = "memory://test_tfrecord/quarantine" if remote else str(tmp_path / "quarantine")
    form = TFRecords(on_corrupt=quarantine)
    assert values(form, path) == [b"ab", b"cd"]
    assert form.left_out == 2
    with fsspec.open(quarantine, "rb") as file:
        lines = [json.loads(line) for line in file.read().splitlines()]
    kept = {line["offset"]: base64.b64decode(line["bytes"]) for line in lines}
    assert b"".join(kept.values()) == noise + b"end"
    assert next(iter(kept)) == 18
    assert max(map(len, kept.values())) <= 65_536
    assert lines[-1]["file"] == str(path)
    assert lines[-1]["reason"] == f"truncated record at {18 + len(noise) + 18}"


def test_a_quarantine_file_that_cannot_be_written_fails_the_read_and_loses_nothing(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"noise" + framed(b"ab"))
    form = TFRecords(on_corrupt=str(tmp_path / "missing" / "quarantine"))
    form.open(str(path))
    with pytest.raises(FailedPreconditionError, match="missing/quarantine"):
        form.read()
    (tmp_path / "missing").mkdir()
    record = form.read()
    assert record is not None
    assert record[1] == b"ab"
    form.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_a_full_disk_fails_the_read_and_names_the_quarantine_file(path: Path) -> None:
    path.write_bytes(b"noise" + framed(b"ab"))
    form = TFRecords(on_corrupt="/dev/full")
    form.open(str(path))
    for _ in range(2):
        with pytest.raises(FailedPreconditionError, match="'/dev/full' of on_corrupt: No space left"):
            form.read()
    form.close()


def test_where_compressed_data_breaks_the_file_ends(path: Path) -> None:
    content = b"".join(framed(b"%05d" % i) for i in range(1000))
    packed = bytearray(gzip.compress(content))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(bytes(packed))
    form = TFRecords("GZIP", "skip")
    found = values(form, path)
    assert found == [b"%05d" % i for i in range(len(found))]
    assert 100 < len(found) < 1000
    assert form.left_out > 0


# -- any damage


def sample(random: Random) -> list[bytes]:
    return [b"%d:" % i + random.randbytes(random.randrange(60)) for i in range(12)]


def test_records_before_any_damage_are_read_and_none_is_made_up(path: Path) -> None:
    random = Random(11)
    with bounded() as inputs:
        for _ in inputs:
            sent = sample(random)
            path.write_bytes(mutated(b"".join(map(framed, sent)), random))
            form = TFRecords()
            form.open(str(path))
            found = []
            try:
                while (record := form.read()) is not None:
                    found.append(record[1])
            except DataLossError:
                pass
            form.close()
            assert set(found) <= set(sent)


def test_all_records_that_are_not_damaged_are_found_again(path: Path) -> None:
    """Bytes are changed in some of the records; all others are read, in their order."""
    logging.disable()
    random = Random(12)
    with bounded() as inputs:
        for _ in inputs:
            sent = sample(random)
            parts = list(map(framed, sent))
            broken = set(random.sample(range(len(sent)), random.randrange(4)))
            for i in broken:
                for _ in range(random.randrange(1, 4)):
                    parts[i] = changed(parts[i], random.randrange(len(parts[i])))
            path.write_bytes(b"".join(parts))
            intact = [payload for payload, part in zip(sent, parts, strict=True) if part == framed(payload)]
            assert values(TFRecords(on_corrupt="skip"), path) == intact
    logging.disable(logging.NOTSET)


def test_a_mutated_file_never_fails_where_broken_records_are_left_out(path: Path) -> None:
    logging.disable()
    random = Random(13)
    with bounded() as inputs:
        for i in inputs:
            sent = sample(random)
            content = b"".join(map(framed, sent))
            if i % 2:
                path.write_bytes(mutated(gzip.compress(content), random))
                found = values(TFRecords("GZIP", "skip"), path)
            else:
                path.write_bytes(mutated(content, random))
                found = values(TFRecords(on_corrupt="skip"), path)
            assert set(found) <= set(sent)
    logging.disable(logging.NOTSET)


def test_one_huge_record_does_not_make_later_looks_long(tmp_path: Path) -> None:
    payloads = [b"x" * 3_000_000, *[b"y" * 1000] * 20_000]
    (tmp_path / "file").write_bytes(b"".join(map(framed, payloads)))
    form = TFRecords()
    form.open(str(tmp_path / "file"))
    form.read_up_to(4)
    later: Any = iter(lambda: form.read_up_to(4), None)
    assert max(len(batch.columns[1].block.data) for batch in list(later)[1000:]) <= 1 << 20
    form.close()


def test_the_end_of_a_file_does_not_make_the_looks_into_the_next_one_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(framed(b"x" * 100_000) * 20)
    form, looks = TFRecords(), []
    monkeypatch.setattr(tfrecord, "framed_records", lambda data: looks.append(len(data)) or framed_records(data))
    for _ in range(2):
        looks.clear()
        form.open(str(tmp_path / "file"))
        assert [len(batch) for batch in iter(lambda: form.read_up_to(16), None)] == [16, 4]
        form.close()
    assert looks[:2] == [16 * 100_016, 4 * 100_016]


@pytest.mark.parametrize("sizes", [range(50_000, 50_001), range(1000), range(1, 100_000)])
def test_no_payload_is_looked_at_twice(sizes: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the records: a look ends with one of the batches that are asked for."""
    random = Random(4)
    payloads = [random.randbytes(random.choice(sizes)) for _ in range(96)]
    (tmp_path / "file").write_bytes(b"".join(map(framed, payloads)))
    looks: list[int] = []

    def spy(data: bytes, starts: Any, ends: Any) -> int:
        looks.append(len(starts))
        return num_whole(data, starts, ends)

    monkeypatch.setattr(tfrecord, "num_whole", spy)
    form = TFRecords()
    form.open(str(tmp_path / "file"))
    found = [[value for _, value in batch] for batch in iter(lambda: form.read_up_to(16), None)]
    form.close()
    assert found == [payloads[i : i + 16] for i in range(0, 96, 16)]
    assert sum(looks) == 96
