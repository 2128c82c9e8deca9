"""Files by `gfile`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import kind_of_error


def reading_and_writing(tf: Any, folder: Path) -> dict[str, Any]:
    name = str(folder / "a.txt")
    with tf.gfile.GFile(name, "w") as file:
        file.write("one\ntwo\n")
        told = file.tell()
    with tf.gfile.Open(name, "a") as file:
        file.write(b"three")
    with tf.gfile.FastGFile(name) as file:
        found: dict[str, Any] = {"told": told, "size": file.size(), "first": file.readline(), "at": file.tell()}
        found["rest"] = file.read()
        file.seek(4)
        found["again"] = [file.read(3), file.tell()]
        file.seek(-2, 1)
        found["back"] = file.read(2)
        file.seek(-5, 2)
        found["from the end"] = file.read()
        file.seek(offset=0)
        found["lines"] = file.readlines()
        found["at the end"] = [file.read(), file.readline()]
    with tf.gfile.GFile(name, "rb") as file:
        found["bytes"] = list(file)
    with tf.gfile.GFile(name, "w+") as file:
        file.write("new")
        file.flush()
        found["w+"] = file.read()
    found["wrong"] = [
        kind_of_error(lambda: tf.gfile.GFile(str(folder / "none")).read()),
        kind_of_error(lambda: tf.gfile.GFile(name, "r").write("x"), "File isn't open for writing"),
        kind_of_error(lambda: tf.gfile.GFile(name, "w").read(), "File isn't open for reading"),
        kind_of_error(lambda: tf.gfile.GFile(name).seek(0, 5)),
        kind_of_error(lambda: tf.gfile.GFile(str(folder / "none" / "a"), "w").write("x")),
    ]
    return found


def names(tf: Any, folder: Path) -> dict[str, Any]:
    top = str(folder / "top")
    tf.gfile.MakeDirs(f"{top}/b/c")
    tf.gfile.MakeDirs(f"{top}/b/c")
    tf.gfile.MkDir(f"{top}/a")
    for name in ("one.txt", "two.txt", "b/three.csv"):
        with tf.gfile.GFile(f"{top}/{name}", "w") as file:
            file.write(name)
    found: dict[str, Any] = {
        "there": [tf.gfile.Exists(top), tf.gfile.Exists(f"{top}/none"), tf.gfile.IsDirectory(f"{top}/one.txt")],
        "list": sorted(tf.gfile.ListDirectory(top)),
        "glob": [
            sorted(tf.gfile.Glob(f"{top}/*.txt")),
            tf.gfile.Glob(f"{top}/*.none"),
            tf.gfile.Glob(f"{top}/?ne.txt"),
        ],
        "walk": [[at, sorted(folders), sorted(files)] for at, folders, files in sorted(tf.gfile.Walk(top))],
        "nothing": list(tf.gfile.Walk(f"{top}/none")),
        "stat": [tf.gfile.Stat(f"{top}/one.txt").length, tf.gfile.Stat(top).is_directory],
    }
    tf.gfile.Copy(f"{top}/one.txt", f"{top}/copy.txt")
    tf.gfile.Rename(f"{top}/two.txt", f"{top}/moved.txt")
    found["wrong"] = [
        kind_of_error(lambda: tf.gfile.Copy(f"{top}/one.txt", f"{top}/copy.txt")),
        kind_of_error(lambda: tf.gfile.Rename(f"{top}/one.txt", f"{top}/copy.txt")),
        kind_of_error(lambda: tf.gfile.Copy(f"{top}/none", f"{top}/copy2.txt")),
        kind_of_error(lambda: tf.gfile.Remove(f"{top}/none")),
        kind_of_error(lambda: tf.gfile.MkDir(f"{top}/a")),
        kind_of_error(lambda: tf.gfile.MkDir(f"{top}/x/y")),
        kind_of_error(lambda: tf.gfile.ListDirectory(f"{top}/none")),
        kind_of_error(lambda: tf.gfile.DeleteRecursively(f"{top}/none")),
        kind_of_error(lambda: tf.gfile.Stat(f"{top}/none")),
    ]
    tf.gfile.Copy(f"{top}/one.txt", f"{top}/copy.txt", overwrite=True)
    tf.gfile.Rename(f"{top}/one.txt", f"{top}/copy.txt", overwrite=True)
    tf.gfile.Remove(f"{top}/moved.txt")
    found["later"] = sorted(tf.gfile.ListDirectory(top))
    tf.gfile.DeleteRecursively(top)
    found["gone"] = tf.io.gfile.exists(top)
    return found
