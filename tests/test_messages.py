"""The table of messages of docs/data.md: each is one of lensfit's, has a remedy, and is brought about by a test."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").partition("## Messages and remedies")[2]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines() if line[:3] == "| `"]
ANYTHING = "\0"
"""Where a text has a value put in."""


def texts(file: Path) -> Iterator[str]:
    """The strings of a file, f-strings with ANYTHING for their values."""
    inside: set[int] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(value) for value in node.values}
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else ANYTHING for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


@functools.cache
def told() -> list[str]:
    return [text for file in (ROOT / "lensfit").rglob("*.py") for text in texts(file)]


@functools.cache
def expected() -> tuple[list[str], set[str]]:
    """What the tests say, patterns as the text that they fit; and its pieces between what may be anything."""
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if file.name != Path(__file__).name]
    said = [re.sub(r"\\(\W)", r"\1", text) for file in files for text in texts(file)]
    pieces = {piece for text in said for piece in re.split(r"\.[*+]|\\[dw]\+?|\0|[|{}]", text)}
    return said, {piece for piece in pieces if len(piece) >= 8 and " " in piece.strip()}


def test_the_table_is_one():
    assert len(ROWS) > 100 and TABLE.count("|---") == 3
    assert all(len(row) == 3 and all(row) for row in ROWS)
    messages = [message for row in ROWS for message in re.findall("`([^`]+)`", row[0])]
    assert len(messages) == len(set(messages))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip("`"))
def test_each_message_is_told_and_tested(row):
    for message in re.findall("`([^`]+)`", row[0]):
        where = [text for text in told() if message in text]
        assert where, f"{message}: lensfit says no such thing"
        said, pieces = expected()
        assert any(message in text for text in said) or any(p in text for text in where for p in pieces), (
            f"{message}: no test brings it about"
        )
