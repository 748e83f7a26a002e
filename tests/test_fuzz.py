"""A small part of `benchmarks/fuzz.py`, the same every time: spoiled files end in a result or an own error."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import fuzz
from fuzz_seeds import Seed

CASES = 20
"""Of each format."""


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder, worked in: a socket's path is short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", fuzz.formats())
def test_what_is_not_spoiled_is_read(name, empty):
    for file, content in fuzz.seeds()[name].files.items():
        (empty / file).write_bytes(content)
    outcome = fuzz.tried(name, empty)
    assert outcome.kind == "result", outcome.told


@pytest.mark.parametrize("name", fuzz.formats())
def test_what_is_spoiled_ends_in_a_result_or_an_own_error(name, empty):
    for number in range(CASES):
        folder = empty / str(number)
        folder.mkdir()
        outcome = fuzz.case(16, number, folder, [name])
        assert outcome.kind in ("result", "own error"), f"{outcome.kind} of case {number}: {outcome.told}"


def test_the_fuzzer_tells_what_is_wrong(empty, monkeypatch):
    """A reader that raises, one that never ends, and one that gives nonsense."""

    def raising(folder):
        raise KeyError("key")

    def endless(folder):
        while True:
            pass

    readers = {"foreign": raising, "hang": endless, "nonsense": lambda folder: (nonsense,)}
    good = fuzz.seeds()["npz"].files["lens.npz"]
    (empty / "lens.npz").write_bytes(good)
    nonsense = fuzz.seeds()["npz"].read(empty)
    object.__setattr__(nonsense, "pixel_scale", 3600.0)
    monkeypatch.setattr(fuzz, "CPU", 0.05)
    for kind, reader in readers.items():
        monkeypatch.setitem(fuzz.seeds(), "npz", Seed({}, reader))
        assert fuzz.tried("npz", empty).kind == kind
