"""Programs that are found again without a trace."""

import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mock_lens import small_model

from lensfit import programs
from lensfit.compiled import Compiled, Unknown, forget, said
from lensfit.priors import Normal
from lensfit.profiles import Gaussian
from lensfit.pytree import replace
from lensfit.space import Slot, Space

POINT = Gaussian(center_x=0.1, center_y=0.0, e1=0.0, e2=0.0, intensity=2.0, sigma=0.4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where JAX keeps programs during a test, checked by lensfit."""
    assert programs.check_programs()  # what JAX reads from a cache of its own could not be kept
    monkeypatch.setattr("lensfit.compiled._folder", lambda: programs.Programs(tmp_path))
    return tmp_path


def function(traces, factor=2.0):
    """One that counts its traces, by one name whoever makes it."""

    def of_a_profile(profile, x, *, power=1):
        traces.append(power)
        return {"value": factor * profile.brightness(x, 0.0) ** power, "whole": (x, jnp.sum(x))}

    of_a_profile.__qualname__ = "of_a_profile"
    return of_a_profile


@pytest.fixture
def made(folder):
    """A new function, as another process has it, and the list of its traces."""
    traces = []
    return lambda: (Compiled(function(traces), ("power",), ()), traces)


X = np.linspace(-1, 1, 5)


def values(found):
    return jax.tree.map(np.asarray, found)


def test_another_process_traces_nothing(made, folder):
    first, traces = made()
    expected = values(first(POINT, X, power=2))
    second, _ = made()
    found = values(second(POINT, X, power=2))
    assert traces == [2] and len([*folder.glob("lensfit_of_a_profile-*-cache")]) == 1
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    np.testing.assert_allclose(found["value"], function([])(POINT, X, power=2)["value"], rtol=1e-14)


def test_a_process_lets_go_of_programs_of_long_ago_and_reads_them_again(made, monkeypatch):
    monkeypatch.setattr("lensfit.compiled.MOST", 3)
    first, traces = made()
    shapes = [X[:size] for size in (1, 2, 3, 4)]
    expected = [values(first(POINT, x)) for x in shapes[:3]]
    first(POINT, shapes[0])  # asked for again: the second is now the oldest
    first(POINT, shapes[3])
    assert first.count() == 3 == len(first.used) and len(traces) == 4
    kept = {key[2][-1][1] for key in first.known}
    assert kept == {(1,), (3,), (4,)}
    jax.tree.map(np.testing.assert_array_equal, [values(first(POINT, x)) for x in shapes[:3]], expected)
    assert first.count() == 3 and len(traces) == 4, "read, not traced again"


def test_a_process_forgets_all_programs_and_reads_them_again(made):
    first, traces = made()
    expected = values(first(POINT, X))
    forget()
    assert first.count() == 0
    jax.tree.map(np.testing.assert_array_equal, values(first(POINT, X)), expected)
    assert len(traces) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f(replace(POINT, intensity=3.0), X + 1),
        lambda f: f(x=X, profile=POINT),
        lambda f: f(POINT, jnp.asarray(X)),
    ],
    ids=["other numbers", "by name", "on the device"],
)
def test_what_is_no_other_program(call, made):
    first, traces = made()
    first(POINT, X)
    call(first)
    assert len(traces) == first.count() == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f(POINT, X[:3]),
        lambda f: f(POINT, X.astype(np.float32)),
        lambda f: f(POINT, X, power=2),
        lambda f: f(replace(POINT, sigma=np.ones(5)), X),
    ],
    ids=["shape", "type", "static argument", "shape of a leaf"],
)
def test_what_is_another_program(call, made):
    first, traces = made()
    first(POINT, X)
    call(first)
    assert len(traces) == first.count() == 2


def test_another_version_of_a_package_is_another_program(folder, monkeypatch):
    for number in ("1", "2"):
        monkeypatch.setattr("lensfit.compiled.version", lambda package, number=number: number * (package == "theirs"))
        Compiled(function([]), ("power",), ("theirs",))(POINT, X)
    assert len([*folder.glob("lensfit_of_a_profile-*-cache")]) == 2


def test_other_random_numbers_are_another_program(folder):
    def drawn():
        return Compiled(draws, (), ())(np.arange(2, dtype=np.uint32))

    first = np.asarray(drawn())
    with jax.threefry_partitionable(not jax.config.jax_threefry_partitionable):
        second = np.asarray(drawn())
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(drawn(), first)


def draws(key):
    return jax.random.normal(jax.random.wrap_key_data(key), (3,))


def test_masked_arrays_are_jax_s_to_refuse(made):
    first, _ = made()
    first(POINT, X)
    with pytest.raises((ValueError, TypeError)):
        first(POINT, np.ma.masked_greater(X, 0))


def test_a_damaged_program_is_made_again(made, folder):
    made()[0](POINT, X)
    (path,) = folder.glob("lensfit_of_a_profile-*-cache")
    path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    again, traces = made()
    again(POINT, X)
    made()[0](POINT, X)
    assert len(traces) == 2


def test_inside_a_trace_it_is_a_part(made):
    first, _ = made()
    slope = jax.grad(lambda s: first(replace(POINT, sigma=s), X)["value"][0])(0.4)
    expected = jax.grad(lambda s: 2 * replace(POINT, sigma=s).brightness(-1.0, 0.0))(0.4)
    assert float(slope) == pytest.approx(float(expected))


def test_where_nothing_is_kept_it_is_jit(made, monkeypatch):
    monkeypatch.setattr("lensfit.compiled._folder", lambda: None)
    first, traces = made()
    for _ in range(2):
        first(POINT, X)
    assert traces == [1] and first.count() == 1


def test_structures_of_others_are_left_to_jax(made, folder):
    class Theirs(Gaussian):
        pass

    jax.tree_util.register_pytree_node(Theirs, lambda t: ([t.sigma], None), lambda _, leaves: POINT)
    first, traces = made()
    first(Theirs(**vars(POINT)), X)
    assert traces == [1] and not [*folder.iterdir()]


def test_one_text_for_equal_structures():
    structures = [jax.tree.structure(Space.of(small_model())) for _ in range(2)]
    assert said(structures[0]) == said(structures[1])
    other = replace(small_model(), sky=Normal(mean=0.0, sigma=1.0))
    assert said(jax.tree.structure(Space.of(other))) != said(structures[0])


@pytest.mark.parametrize("value", [(1, "a", None), Slot("free", 3), 1.5, (True, 1), np.dtype("f8"), Gaussian, b"x"])
def test_texts_tell_values_apart(value):
    others = [(1, "a"), Slot("free", 4), 1.25, (1, 1), np.dtype("f4"), Normal, "x", [1, "a", None]]
    assert said(value) == said(value) and said(value) not in map(said, others)


@pytest.mark.parametrize("value", [abs, partial(max, 1), pytest.Module, (1, lambda: 0), object()])
def test_no_text_for_what_is_not_known(value):
    with pytest.raises(Unknown):
        said(value)


SCRIPT = """
import sys
import jax
import numpy as np

import lensfit
lensfit.setup()
from lensfit.grid import make_grid
from lensfit.model import LensModel
from lensfit.profiles import Gaussian
from lensfit.simulate import _surface

x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 8))
grid = make_grid(x, y, np.full(x.shape, 2), 0.25)
light = Gaussian(center_x=0.1, center_y=0.0, e1=0.1, e2=0.0, intensity=2.0, sigma=0.4)
model = LensModel(light={"a": light}, mass={}, source={}, sky=0.0)
if len(sys.argv) > 1:
    _surface.function = None
print(np.asarray(_surface(model, grid)).tobytes().hex())
"""


def test_kernels_come_with_a_program(tmp_path, monkeypatch):
    """A process that traces nothing tells XLA of the kernels that a program calls."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    run = lambda *a: subprocess.run([sys.executable, "-c", SCRIPT, *a], capture_output=True, text=True)  # noqa: E731
    first, kept = run(), run("no trace")
    assert first.returncode == 0, first.stderr
    assert kept.returncode == 0 and kept.stdout == first.stdout, kept.stderr
    for path in tmp_path.glob("lensfit_*-cache"):
        path.unlink()
    gone = run("no trace")
    assert gone.returncode != 0 and gone.stdout != first.stdout
