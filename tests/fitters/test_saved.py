"""Results saved and loaded: the same in every field, from the folder of a command's run as well; damage is told."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from made_run import written_run

from lensfit import FitResult
from lensfit.errors import DataError
from lensfit.fitters import _saved
from lensfit.model import LensModel, from_plain, to_plain
from lensfit.profiles import SIE, MassProfile, MultiGaussian
from lensfit.pytree import pytree
from lensfit.registry import fit


def same(one, other, but=()):
    """Two results are one in every field, bit for bit."""
    for field in dataclasses.fields(FitResult):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if field.name == "model":
            assert jax.tree.structure(first) == jax.tree.structure(second)
            first, second = (np.array(jax.tree.leaves(model), float) for model in (first, second))
        if field.name in ("variants", "search"):
            first, second = (_saved.document_of(result)[field.name] for result in (one, other))
        if field.name not in but:
            np.testing.assert_equal(second, first, err_msg=field.name)


@pytest.mark.parametrize("name", ["lm", "dynesty", "nuts", "importance"])
def test_saved_and_loaded(name, fitted, tmp_path):
    result = fitted(name).result
    result.save(tmp_path / "new" / "folder")
    same(result, FitResult.load(tmp_path / "new" / "folder"))
    samples = {"samples.ecsv"} if result.samples is not None else set()
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {"result.json"} | samples


def test_nothing_of_the_result_before_stays(fitted, tmp_path):
    for name in ("dynesty", "lm"):
        fitted(name).result.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_the_folder_of_a_run_is_loaded(mock):
    """A lens with solved amplitudes, a variant, unknown numbers, and the unit of the data."""
    folder, imaging, _, result = written_run(mock.imaging, tuple(mock.truth.items()))
    loaded = FitResult.load(folder)
    same(result, loaded, but=("units", "provenance"))
    assert loaded.provenance["seed"] == result.provenance["seed"]
    assert dict(zip(result.units, loaded.units, strict=True)) == {"": "", "arcsec": "arcsec"}
    assert imaging.unit in (folder / "result.json").read_text()


def test_a_loaded_result_is_a_start(exact, fitted, tmp_path):
    fitted("lm").result.save(tmp_path)
    result = fit(exact.problem, "lm", start=FitResult.load(tmp_path))
    np.testing.assert_allclose(result.theta, exact.mean, atol=1e-6)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "result.json").unlink(), "no such file; the fit did not finish"),
        (lambda folder: (folder / "samples.ecsv").unlink(), "samples.ecsv: no such file"),
        (lambda folder: shortened(folder / "samples.ecsv"), r"samples.ecsv: holds \d+ samples, result.json says"),
        (lambda folder: without(folder / "result.json", "model"), "no whole result .*'model'"),
        (lambda folder: without(folder / "result.json", "trust"), "no whole result .*'trust'"),
        (lambda folder: renamed(folder / "result.json"), "no mass profile is named 'Sheer'; import the module"),
    ],
)
def test_what_is_missing_or_damaged_is_told(damage, told, fitted, tmp_path):
    fitted("dynesty").result.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=told):
        FitResult.load(tmp_path)


def shortened(path):
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")


def without(path, key):
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != key}))


def renamed(path):
    path.write_text(path.read_text().replace('"Shear"', '"Sheer"'))


def test_a_full_disk_is_told(fitted, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match=r"cannot be written .No space left on device.; make room"):
        fitted("lm").result.save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_models_of_numbers_lists_and_profiles_of_others():
    @pytree
    class Point(MassProfile):
        einstein_radius: float

    light = MultiGaussian(center_x=0.1, center_y=0.0, e1=0.0, e2=0.1, intensity=np.array([1.0, 2.0]),
                          sigmas=np.array([0.1, 0.3]))  # fmt: skip
    sie = SIE(center_x=0.0, center_y=0.0, e1=0.1, e2=0.0, einstein_radius=np.float64(1.2))
    model = LensModel(light={"mge": light}, mass={"sie": sie, "point": Point(einstein_radius=0.3)}, source={})
    again = from_plain(json.loads(json.dumps(_saved.plain(to_plain(model)))))
    assert type(again.mass["point"]) is Point
    jax.tree.map(np.testing.assert_array_equal, model, again)
