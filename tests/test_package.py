"""`import lensfit`: quick, without side effects, and every public name in its place."""

import os
import pkgutil
import subprocess
import sys
import types

import pytest

import lensfit

IMPORT = """
import os, sys, time
before = dict(os.environ), list(sys.path)
start = time.perf_counter()
import lensfit
seconds = time.perf_counter() - start
heavy = {"jax", "numpy", "scipy", "astropy", "matplotlib", "h5py"} & set(sys.modules)
assert not heavy, heavy
assert (dict(os.environ), list(sys.path)) == before
print(seconds)
"""


def test_import_is_quick_and_without_side_effects(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {name: value for name, value in environment.items() if not name.startswith("XDG_")}
    command = [sys.executable, "-c", IMPORT]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) < 1.0
    assert not list(tmp_path.iterdir())


def test_every_public_name_is_there():
    assert set(lensfit.__all__) <= set(dir(lensfit))
    for name in lensfit.__all__:
        value = getattr(lensfit, name)
        assert isinstance(value, (types.ModuleType, type, types.FunctionType, str)), name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'lensfit' has no attribute 'lens'"):
        lensfit.lens  # noqa: B018


def test_a_public_name_is_no_other_thing_once_a_module_is_imported():
    """A module of lensfit takes its name in the package when it is imported, whatever that name was before."""
    modules = {info.name for info in pkgutil.iter_modules(lensfit.__path__)}
    things = {name for name in lensfit.__all__ if not isinstance(getattr(lensfit, name), types.ModuleType)}
    assert not modules & things
