"""The tests that `docs/faults.md` names exist, and it names each test of what becomes of the elements of a queue."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = r"\btest_\w+\b(?!\.py)"


def defined(path: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))


def test_the_page_of_faults_and_the_tests_of_queues_agree() -> None:
    named = set(re.findall(NAME, (ROOT / "docs" / "faults.md").read_text()))
    tests = ROOT / "tests" / "cluster"
    assert named - set().union(*map(defined, tests.glob("test_*.py"))) == set()
    assert defined(tests / "test_queue_faults.py") - named == set()
