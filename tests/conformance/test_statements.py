"""Each statement about TensorFlow 1's behaviour has a test, and one finds it by its number.

Statements are numbered by section: Q4.10 is the tenth of section 4.  A section has a file here, whose name begins with
it (`test_q04_...`), and the docstring of a test is a list of the statements that it proves.  D1, D2, ... are where
dflow departs from TensorFlow 1 on purpose.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HOW_MANY = {
    "Q1": 14,  # rules common to all queues
    "Q2": 16,  # enqueue
    "Q3": 14,  # dequeue
    "Q4": 13,  # close
    "Q5": 11,  # order and cancelling
    "Q6": 5,  # FIFOQueue
    "Q7": 10,  # PaddingFIFOQueue
    "Q8": 12,  # RandomShuffleQueue
    "Q9": 10,  # PriorityQueue
    "Q10": 8,  # names and from_list
    "Q11": 9,  # sharing
}
STATEMENT = r"([A-Z]\d+\.\d+|D\d+)"


def claims(section: str) -> dict[str, list[str]]:
    """The statements that each test of a section's file names in its docstring: test -> statements."""
    letter, number = section[0].lower(), int(section[1:])
    (path,) = Path(__file__).parent.glob(f"test_{letter}{number:02}_*.py")
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            text = ast.get_docstring(node) or ""
            assert re.fullmatch(rf"{STATEMENT}(, {STATEMENT})*", text), f"{node.name} names no statements: {text!r}"
            found[node.name] = text.split(", ")
    return found


@pytest.mark.parametrize("section", HOW_MANY)
def test_the_tests_of_a_section_prove_all_of_its_statements_and_each_at_least_one(section: str) -> None:
    statements = {f"{section}.{i}" for i in range(1, HOW_MANY[section] + 1)}
    proved = claims(section)
    assert statements - {statement for found in proved.values() for statement in found} == set()
    assert [test for test, found in proved.items() if not statements & set(found)] == []


def test_no_test_names_a_statement_that_is_not_there_or_names_one_twice() -> None:
    wrong = []
    for section in HOW_MANY:
        for test, found in claims(section).items():
            if len(found) != len(set(found)):
                wrong.append(f"{test} names a statement twice")
            for statement in found:
                of, _, number = statement.partition(".")
                if of in HOW_MANY and not 1 <= int(number) <= HOW_MANY[of]:
                    wrong.append(f"{test}: there is no {statement}")
    assert wrong == []
