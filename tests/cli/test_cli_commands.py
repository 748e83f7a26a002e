"""lensfit inspect, report and simulate."""

import errno
import gc
import json
import os
import sys
from pathlib import Path

import pytest
from stand_in import write

from lensfit.cli import HEAP, commands
from lensfit.datasets import read_imaging
from lensfit.datasets.psf import fwhm
from lensfit.instruments import gaussian_psf

sys.path.append(str(Path(__file__).parents[1] / "datasets"))  # its helpers import each other by bare names

from file_layouts import LAYOUTS
from mock_observation import SCALE, observed_arrays


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_inspect_tells_what_every_layout_holds(layout, lensfit, tmp_path):
    path = layout(tmp_path, observed_arrays())
    picture = tmp_path / "picture.png"
    code, said, complaints = lensfit("inspect", path, "--mask-radius", 0.45, "--out", picture)
    assert (code, complaints) == (0, "")
    scale, psf = f"{SCALE} arcsec, from ", "5 x 5 pixels, FWHM"
    for expected in ("24 rows x 20 columns", scale, psf, "masked", "median"):
        assert expected in said
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_width_of_a_gaussian_psf_is_its_own():
    assert fwhm(gaussian_psf(0.6, 0.1, 25)) == pytest.approx(6.0, abs=0.15)


def test_inspect_writes_a_picture_only_where_asked(lensfit, data, tmp_path):
    code, said, _ = lensfit("inspect", data, "--mask-radius", 1.5)
    assert code == 0
    assert f"{0.12} arcsec, from {data / 'info.json'}" in said
    assert "\npicture " not in said
    code, _, complaints = lensfit("inspect", data, "--out", tmp_path / "nowhere" / "picture.png")
    assert code == 3
    assert "nowhere: no such folder" in complaints
    assert "from --pixel-scale" in lensfit("inspect", data, "--mask-radius", 1.5, "--pixel-scale", 0.1)[1]


def test_an_error_without_a_log_shows_its_traceback(lensfit, data, monkeypatch):
    monkeypatch.setattr("lensfit.cli.commands.read", lambda section: 1 / 0)
    code, _, complaints = lensfit("inspect", data)
    assert code == 1
    assert "Traceback" in complaints
    assert "lensfit: unexpected ZeroDivisionError: division by zero" in complaints


def test_a_command_looks_for_dead_cycles_seldom_and_leaves_python_as_it_was(lensfit, data, monkeypatch):
    before, during = gc.get_threshold(), []
    monkeypatch.setattr("lensfit.cli.commands.read", lambda section: during.append(gc.get_threshold()) or 1 / 0)
    lensfit("inspect", data)
    assert during == [(max(before[0], HEAP), *before[1:])]
    assert gc.get_threshold() == before


def test_a_report_that_cannot_be_written_is_told(lensfit, tmp_path, monkeypatch):
    def full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(commands, "write_report", full)
    code, _, complaints = lensfit("report", tmp_path)
    assert code == 3 and "cannot be written (No space left on device); make room" in complaints


def test_a_report_needs_a_run(lensfit, tmp_path):
    code, _, complaints = lensfit("report", tmp_path)
    assert code == 3
    assert "result.json: no such file" in complaints


SIMULATION = """
sky = 0.01
[instrument]
shape = [24, 30]
preset = "jwst_f150w"
pixel_scale = 0.1
psf = {fwhm = 0.2, size = 7}
[light.set]
profile = "MultiGaussian"
center_x = 0.0
center_y = 0.1
e1 = 0.1
e2 = 0.0
intensity = [1.0, 2.0]
sigmas = [0.1, 0.4]
"""


def test_simulate_writes_data_and_truth(lensfit, tmp_path):
    recipe = write(tmp_path / "model.toml", SIMULATION)
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        assert lensfit("simulate", recipe, "--seed", seed, "--out", tmp_path / name)[0] == 0
    one, two, other = (read_imaging(tmp_path / name) for name in ("one", "two", "other"))
    assert (one.shape, one.pixel_scale, one.hash) == ((24, 30), 0.1, two.hash)
    assert one.hash != other.hash
    truth = json.loads((tmp_path / "one" / "truth.json").read_text())
    assert truth["light.set.center_y"] == {"value": 0.1, "unit": "arcsec"}
    assert truth["light.set.intensity"]["value"] == [1.0, 2.0]
    assert truth["sky"]["value"] == 0.01
