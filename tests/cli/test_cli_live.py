"""--live: the picture of a fit under way and the film that it leaves."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from made_run import made_problem, made_result
from matplotlib.figure import Figure
from PIL import Image
from stand_in import files

from lensfit.analysis import Analysis
from lensfit.cli.live import FILM, PICTURE, Live
from lensfit.errors import DataError


@pytest.fixture(scope="module")
def lens(mock):
    """An analysis whose result is the truth."""
    imaging, problem = made_problem(mock.imaging)
    return Analysis.of(problem, made_result(problem, mock.truth), imaging)


def live(lens, folder, told=lambda *_: None):
    return Live(folder, lens, told), lens.result


def test_a_picture_of_every_point_that_is_new(lens, tmp_path):
    told = []
    shown, result = live(lens, tmp_path, lambda *given: told.append(given))
    shown("search", np.nan, 0.1)
    assert files(tmp_path) == []
    shown("search", 900.5, 0.2, "a note", result.theta)
    first = (tmp_path / PICTURE).read_bytes()
    shown.next_picture = 0.0
    shown("fine fit", 900.5, 0.3, theta=result.theta)
    assert (tmp_path / PICTURE).read_bytes() == first, "nothing new"
    shown("fine fit", 900.5, 0.4, theta=result.theta + result.errors)
    assert (tmp_path / PICTURE).read_bytes() != first
    shown("fine fit", 900.5, 0.5, theta=result.theta)
    assert shown.next_picture > 0, "drawing takes its share of the time and no more"
    assert told == [("search", told[0][1], 0.1, "", None), ("search", 900.5, 0.2, "a note", result.theta),
                    *(("fine fit", 900.5, share, "", told[k][4]) for k, share in ((2, 0.3), (3, 0.4), (4, 0.5)))]
    assert files(tmp_path) == [PICTURE]


def test_the_film_shows_how_it_went(lens, tmp_path):
    shown, result = live(lens, tmp_path)
    for far in (30, 10, 3, 1):
        shown.next_picture = shown.next_frame = 0.0
        shown("fit", 1.0, 0.1, theta=result.theta + far * result.errors)
    shown.finish(lens)
    assert files(tmp_path) == [FILM, PICTURE]
    with Image.open(tmp_path / FILM) as film:
        frames = []
        for k in range(film.n_frames):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB"), float))
    left = [np.mean(np.abs(frame - frames[-1])) for frame in frames]
    assert len(left) >= 5 and left[0] > left[1] > left[2] > left[-1] == 0


def test_a_full_disk_is_told(lens, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shown, result = live(lens, tmp_path)
    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(DataError, match=r"live.png: cannot be written \(No space left on device\); make room"):
        shown("fit", 1.0, 0.1, theta=result.theta)
    assert files(tmp_path) == []


def test_visibilities_are_refused(lensfit, fits, tmp_path):
    fits()
    data = Path(__file__).parents[2] / "data" / "alma_mock"
    code, _, told = lensfit("fit", data, "--live", "--out", tmp_path / "run")
    assert code == 3 and "--live shows fits of images; leave it out for visibilities" in told
    assert not (tmp_path / "run").exists()


def test_a_source_on_pixels_is_refused(lensfit, fits, tmp_path):
    fits()
    data = Path(__file__).parents[2] / "data" / "jwst_mock"
    code, _, told = lensfit("fit", data, "--live", "--source", "pixels", "--out", tmp_path / "run")
    assert code == 3 and "--live shows sources of profiles; leave it out for a source on pixels" in told
    assert not (tmp_path / "run").exists()
