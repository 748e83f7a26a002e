"""Native kernels and processes: threads, another cache folder, no home, forks, pickles, and warnings said once."""

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from grids import equal, grid_of

from lensfit import native
from lensfit.native import door, store
from lensfit.surface import surface

ROOT = Path(__file__).parents[2]
BEGIN = """
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
from lensfit.grid import make_grid
from lensfit.inversion.mapping import entries
from lensfit.surface import surface
x, y = np.meshgrid(np.arange(5.0), np.arange(6.0))
grid = make_grid(x, y, np.full((6, 5), 2), 1.0)
def total(w):
    rays = entries(w * grid.x[:4], grid.y[:4], 7, 2, "native")[1]
    return jnp.sum(surface(lambda w, x, y: jnp.exp(-w * (x * x + y * y)), w, grid)) + jnp.sum(rays)
value = lambda w: float(jax.jit(lambda w: total(w))(w))
"""
TIMES = {
    "threads": """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
barrier = Barrier(6)
def one(k):
    barrier.wait()
    return value(0.1)
with ThreadPoolExecutor(6) as pool:
    found = set(pool.map(one, range(6)))
assert len(found) == 1 and found.pop() == value(0.1), found
""",
    "another cache folder": """
import sys
first = value(0.1)
jax.config.update("jax_compilation_cache_dir", sys.argv[1] + "/other")
assert value(0.1) == first
""",
    "the command in the same process": """
import os, sys
os.environ["XDG_CACHE_HOME"] = sys.argv[1] + "/xdg"
first = value(0.1)
from lensfit import cli
assert cli.main(["inspect", sys.argv[1] + "/nothing"]) == 3
assert value(0.1) == first
""",
    "a fork": """
import multiprocessing, os
from lensfit.errors import ModelError
from lensfit.native import refuse_fork
refuse_fork()
value(0.1)
refuse_fork()
def child(results):
    try:
        refuse_fork()
    except ModelError as error:
        results.put(str(error))
    else:
        results.put("")
context = multiprocessing.get_context("fork")
results = context.Queue()
worker = context.Process(target=child, args=(results,))
worker.start()
assert "get_context('spawn')" in results.get(timeout=60)
worker.join()
""",
}


@pytest.mark.parametrize("case", TIMES)
def test_in_a_process_of_its_own(case, tmp_path):
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGIN + TIMES[case], str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600,
    )
    assert made.returncode == 0, made.stderr


def nobody(monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(store.Path, "home", unknown)


def test_without_a_home_there_is_a_temporary_folder(monkeypatch, tmp_path):
    nobody(monkeypatch)
    monkeypatch.setattr(store.tempfile, "gettempdir", lambda: str(tmp_path))
    store.temporary_folder.cache_clear()
    try:
        folder = native.cache_folder()
        assert folder.parent == tmp_path and folder.is_dir() and folder.stat().st_mode & 0o077 == 0
        assert store.temporary_folder() == folder
    finally:
        store.temporary_folder.cache_clear()


def test_a_temporary_folder_that_others_can_write_is_not_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(store.tempfile, "gettempdir", lambda: str(tmp_path))
    open_to_all = tmp_path / f"lensfit-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    store.temporary_folder.cache_clear()
    try:
        assert store.temporary_folder() != open_to_all
    finally:
        store.temporary_folder.cache_clear()


def test_a_kernel_comes_back_from_a_pickle():
    closed = jax.make_jaxpr(lambda a, x, y: [jnp.exp(-a * x * x) * y])(0.1, 0.2, 0.3)
    kernel = native.means_kernel(closed)
    again = pickle.loads(pickle.dumps(kernel))
    assert again.kernel is kernel.kernel and again.count == 1
    named = native.named_kernel("lensfit.inversion.ray_kernels", "entries_call")
    assert pickle.loads(pickle.dumps(named)) is named


def image(formula, value=0.7, engine="native"):
    return jax.jit(lambda w: surface(formula, w, grid_of(engine=engine)))(value)


def test_what_has_no_native_form_is_said_once(monkeypatch):
    monkeypatch.setattr(door, "_SAID", set())
    formula = lambda w, x, y: jax.lax.lgamma(2 + w * x * x)  # noqa: E731
    with pytest.warns(RuntimeWarning, match="lgamma.*elementary functions"):
        first = image(formula)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = image(lambda w, x, y: jax.lax.lgamma(2 + w * x * x) * y)
        image(lambda w, x, y: jnp.sin(w * x) + jnp.tanh(y) * jax.lax.erf(x))
        image(formula, engine="xla")
    np.testing.assert_array_equal(first, image(formula, engine="xla"))
    assert np.isfinite(again).all()
    weights = np.array([0.3, 0.7])
    with pytest.warns(RuntimeWarning, match=r"a coefficient of type float64 and shape \(2,\)"):
        summed = image(lambda w, x, y: jnp.sum(w * x), weights)
    equal(summed, image(lambda w, x, y: w * x, 1.0))
