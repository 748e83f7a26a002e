"""The door into XLA: its test at start-up, what happens without it, and kernels from another process."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numba
import numpy as np
import pytest
from grids import equal, grid_of

from lensfit import cache_files, native
from lensfit.native import door, store
from lensfit.native.frame import ARGUMENTS, BUFFER_BYTES, LIST_BYTES, make_frame
from lensfit.surface import surface

ROOT = Path(__file__).parents[2]


def echo():
    return door.printed_kernel(door.ECHO, door.ECHO_SIGNATURE)


def numbers():
    return [np.arange(6.0).reshape(2, 3), np.array([1, 2, 3], np.int32), np.array(2.0)]


def test_python_and_xla_call_the_same_kernel():
    out = np.zeros((2, 3))
    echo().run(numbers(), [out])
    np.testing.assert_array_equal(out, 2 * numbers()[0] + [1, 2, 3])
    shape = jax.ShapeDtypeStruct((2, 3), np.float64)
    np.testing.assert_array_equal(jax.jit(lambda *a: echo()(shape, *a))(*numbers()), out)


@pytest.mark.parametrize("word", ["list", "count", "buffer"])
def test_a_frame_of_another_build_is_left_alone(word):
    out = np.full((2, 3), 7.0)
    address, alive = make_frame(numbers(), [out])
    frame, buffers = alive[0], alive[2]
    assert frame[ARGUMENTS] == LIST_BYTES and buffers[0][0] == BUFFER_BYTES
    if word == "list":
        frame[ARGUMENTS] += 8
    elif word == "count":
        frame[ARGUMENTS + 2] += 1
    else:
        buffers[0][0] += 8
    assert echo().handler(address) == 0
    assert (out == 7.0).all()


def test_a_wrong_answer_at_start_up_is_found():
    wrong = door.printed_kernel(door.ECHO.replace("factor[0]", "1.0"), door.ECHO_SIGNATURE)
    assert "in another way" in door.echo_trouble(wrong)
    assert door.echo_trouble(echo()) == ""


@pytest.fixture
def forgotten():
    """What was found out about this process, asked anew in the test and forgotten after it."""
    door._echo_trouble.cache_clear()
    door._SAID.clear()
    yield
    door._echo_trouble.cache_clear()


def image(engine):
    return jax.jit(lambda w: surface(lambda w, x, y: jnp.exp(-w * (x * x + y * y)), w, grid_of(engine=engine)))(0.7)


def without_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)

    def refused(*_):
        import numba  # noqa: F401  # pyright: ignore

    monkeypatch.setattr(door, "printed_kernel", refused)
    return "numba cannot be imported"


def with_another_interface(monkeypatch):
    monkeypatch.setattr(door, "echo_trouble", lambda kernel: "hands its arguments over in another way")
    return "in another way"


def with_a_gpu(monkeypatch):
    monkeypatch.setattr(door, "backends", lambda: {"cpu": None, "cuda": None})
    return ""


@pytest.mark.parametrize("way", [without_numba, with_another_interface, with_a_gpu])
def test_xla_steps_in(way, monkeypatch, forgotten):
    reason = way(monkeypatch)
    if reason:
        with pytest.warns(RuntimeWarning, match=reason):
            fallen_back = image("native")
    else:
        fallen_back = image("native")
    assert native.trouble()
    np.testing.assert_array_equal(fallen_back, image("xla"))


@pytest.mark.filterwarnings("ignore:a profile of the model goes by XLA alone")
def test_a_formula_without_numba_form_goes_by_xla():
    formula = lambda w, x, y: jax.lax.lgamma(2 + w * x * x) + jnp.exp(-y * y)  # noqa: E731
    slope = jax.jit(lambda w, g: jax.jacfwd(lambda v: surface(formula, v, g))(w))
    equal(*[slope(0.7, grid_of(engine=engine)) for engine in ("native", "xla")])


KERNEL = """
from numba import cfunc, types

@cfunc(types.float64(types.float64), cache=KEEP)
def handler(x):
    return 2.0 * x + 1.0
"""


def kept_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damaged(path, how):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes({"flipped": bytes(content), "cut": content[: len(content) // 2], "emptied": b""}[how])


@pytest.mark.parametrize("how", ["flipped", "cut", "emptied"])
@pytest.mark.parametrize("end", [".nbi", ".nbc", ".sha256"])
def test_a_damaged_kernel_is_compiled_anew(how, end, tmp_path):
    assert store.load(KERNEL, tmp_path).handler.ctypes(1.0) == 3.0
    first = kept_files(tmp_path)
    assert {Path(name).suffix for name in first} == {".nbi", ".nbc", ".sha256"}
    damaged(next(path for path in tmp_path.iterdir() if path.suffix == end), how)
    assert store.load(KERNEL, tmp_path).handler.ctypes(1.0) == 3.0
    whole = kept_files(tmp_path)
    assert whole.keys() == first.keys()
    assert store.load(KERNEL, tmp_path).handler.ctypes(1.0) == 3.0
    assert kept_files(tmp_path) == whole, "loaded, not compiled"


def test_a_kernel_that_others_can_write_is_compiled_anew(tmp_path):
    store.load(KERNEL, tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o666)
    assert store.load(KERNEL, tmp_path).handler.ctypes(1.0) == 3.0
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_numba_keeps_nothing_of_a_kernel_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "numba"))
    store.load(KERNEL, tmp_path / "own")
    assert not (tmp_path / "numba").exists() and list((tmp_path / "own").iterdir())
    assert str(tmp_path / "numba") == numba.config.CACHE_DIR


def test_an_unwritable_cache_is_told_once(monkeypatch, tmp_path):
    monkeypatch.setattr(cache_files, "_TOLD", set())
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.warns(RuntimeWarning, match="cannot be kept") as told:
        for _ in range(2):
            assert store.load(KERNEL, blocked / "below").handler.ctypes(1.0) == 3.0
    assert len(told) == 1


def test_without_room_for_temporary_files_a_kernel_is_compiled_all_the_same(monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.tempfile, "TemporaryDirectory", full)
    assert store.load(KERNEL, tmp_path).handler.ctypes(1.0) == 3.0
    assert not list(tmp_path.iterdir())


PROCESS = """
import json, sys, time
import jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
import jax.numpy as jnp
import numpy as np
import lensfit.surface
assert "numba" not in sys.modules, "numba is imported when it is needed"
from lensfit.grid import make_grid
from lensfit.surface import surface
x, y = np.meshgrid(np.arange(5.0), np.arange(6.0))
grid = make_grid(x, y, np.full((6, 5), 2), 1.0)
def total(w, grid):
    return jnp.sum(surface(lambda w, x, y: jnp.exp(-w * (x * x + y * y)), w, grid))
value, slope = jax.jit(jax.value_and_grad(total))(0.1, grid)
from lensfit import cache_files, native
print(json.dumps([float(value), float(slope), native.trouble()]))
"""


def test_a_fresh_process_takes_everything_from_the_disk(tmp_path):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}

    def run():
        made = subprocess.run(
            [sys.executable, "-c", PROCESS, str(tmp_path / "jax")], env=environment, capture_output=True, text=True
        )
        assert made.returncode == 0, made.stderr
        files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.suffix in (".nbi", ".nbc")}
        return json.loads(made.stdout), files, {p for p in (tmp_path / "jax").iterdir() if p.name.endswith("-cache")}

    first, kernels, programs = run()
    second, same_kernels, same_programs = run()
    assert first == second and first[2] == ""
    assert kernels == same_kernels and any(p.suffix == ".nbc" for p in kernels)
    assert programs == same_programs and programs


def test_the_cache_lies_where_jax_keeps_its_own(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path))
        assert tmp_path in store.kernel_folder().parents
        jax.config.update("jax_compilation_cache_dir", "gs://bucket")
        assert Path.home() in store.kernel_folder().parents
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
