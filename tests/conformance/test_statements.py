"""Each statement about TensorFlow 1's behaviour has a test, and one finds it by its number.

Statements are numbered by section: Q4.10 is the tenth of section 4.  A section has a file here, whose name begins with
it (`test_q04_...`), or several, and the docstring of a test names the statements that it proves.  D1, D2, ... are
where dflow departs from TensorFlow 1 on purpose.
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
    "R12": 22,  # QueueRunner
    "C13": 21,  # Coordinator
    "I14": 17,  # input producers
    "B15": 21,  # batch and its kin
    "D16": 27,  # readers
    "V17": 16,  # decode_csv
    "E18": 19,  # parse_example
    "F19": 8,  # TFRecord files
}
ABSENT = {"D16.27"}  # LMDBReader, which TensorFlow 1 has as an option
STATEMENT = r"\b[A-Z]\d+\.\d+\b"


def claims(section: str) -> dict[str, list[str]]:
    """The statements that each test of a section's file names in its docstring: test -> statements."""
    letter, number = section[0].lower(), int(section[1:])
    found = {}
    for path in Path(__file__).parent.glob(f"test_{letter}{number:02}_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name] = re.findall(STATEMENT, ast.get_docstring(node) or "")
    return found


@pytest.mark.parametrize("section", HOW_MANY)
def test_each_statement_of_a_section_is_proved(section: str) -> None:
    statements = {f"{section}.{i}" for i in range(1, HOW_MANY[section] + 1)} - ABSENT
    proved = {statement for other in HOW_MANY for found in claims(other).values() for statement in found}
    assert statements - proved == set()


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
