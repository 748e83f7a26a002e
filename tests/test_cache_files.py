"""Files of a cache: what is damaged, moved, open to others or not the user's own is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lensfit import cache_files
from lensfit.cache_files import SEAL, CacheFolder
from lensfit.programs import END, Programs

CONTENT = bytes(range(256)) * 4


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def moved(path):
    CacheFolder(path.parent).write("other", CONTENT[:9])
    for end in ("", SEAL):
        path.with_name(f"other{end}").replace(path.with_name(f"{path.name}{end}"))


def linked(path):
    path.replace(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGE = {
    "a bit flipped": flip,
    "cut": lambda path: path.write_bytes(CONTENT[:100]),
    "emptied": lambda path: path.write_bytes(b""),
    "removed": Path.unlink,
    "open to the group": lambda path: path.chmod(0o620),
    "open to all": lambda path: path.chmod(0o606),
    "that of another name": moved,
    "a link": linked,
    "a pipe": pipe,
}


@pytest.mark.parametrize("of", ["", SEAL])
@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_damaged_is_missing_until_it_is_written_anew(how, of, tmp_path):
    folder = CacheFolder(tmp_path / "cache")
    assert folder.read("one") is None
    assert folder.write("one", CONTENT) and folder.read("one") == CONTENT
    assert folder.names("o") == ["one"] and folder.names("p") == []
    DAMAGE[how](tmp_path / "cache" / f"one{of}")
    assert folder.read("one") is None
    assert folder.write("one", CONTENT) and folder.read("one") == CONTENT


def test_what_is_another_users_is_neither_read_nor_replaced(monkeypatch, tmp_path):
    monkeypatch.setattr(cache_files, "_TOLD", set())
    folder = CacheFolder(tmp_path)
    folder.write("one", CONTENT)
    monkeypatch.setattr(cache_files.os, "geteuid", lambda: os.getuid() + 1)
    assert folder.read("one") is None
    with pytest.warns(RuntimeWarning, match="another user"):
        assert not folder.write("one", b"mine")
    assert (tmp_path / "one").read_bytes() == CONTENT


def test_an_interrupted_write_leaves_nothing_behind(monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_files.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        CacheFolder(tmp_path).write("one", CONTENT)
    assert not list(tmp_path.iterdir())


def test_programs_replace_what_is_damaged_and_keep_to_their_limit(tmp_path):
    programs = Programs(tmp_path, limit=2500)
    for number, key in enumerate("ab"):
        programs.put(key, CONTENT)
        os.utime(tmp_path / f"{key}{END}", (number, number))
    flip(tmp_path / f"a{END}")
    assert programs.get("a") is None and programs.get("b") == CONTENT
    programs.put("a", CONTENT)
    assert programs.get("a") == CONTENT
    os.utime(tmp_path / f"b{END}", (0, 0))
    programs.put("c", CONTENT)
    assert [programs.get(key) for key in "abc"] == [CONTENT, None, CONTENT]
    programs.put("d", 3 * CONTENT)
    assert programs.get("d") is None


def test_programs_that_cannot_be_kept_are_told_once(monkeypatch, tmp_path):
    monkeypatch.setattr(cache_files, "_TOLD", set())
    (tmp_path / "file").write_text("no folder")
    programs = Programs(tmp_path / "file" / "below")
    with pytest.warns(RuntimeWarning, match="cannot be kept there") as told:
        for key in "ab":
            programs.put(key, CONTENT)
    assert len(told) == 1 and programs.get("a") is None


PROCESS = """
import sys, warnings
import lensfit
lensfit.setup()
lensfit.setup()
import jax, jax.numpy as jnp
warnings.simplefilter("error")
assert float(jax.jit(lambda x: jnp.sin(x) @ x)(jnp.zeros(5))) == 0.0
"""


def test_jax_makes_a_damaged_program_anew(tmp_path):
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])

    def run():
        made = subprocess.run([sys.executable, "-c", PROCESS], env=environment, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    first = run()
    programs = [name for name in first if name.endswith(END)]
    assert programs and first.keys() == {*programs, *(f"{name}{SEAL}" for name in programs)}
    for name in programs:
        flip(tmp_path / name)
    second = run()
    assert second.keys() == first.keys()
    for name in programs:
        assert CacheFolder(tmp_path).read(name) == second[name]
    assert run() == second, "loaded, not compiled"
