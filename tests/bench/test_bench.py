"""Every implementation of the benchmark against the exact sum, and what the command prints and writes."""

import json
import types

import numpy as np
import pytest

from lensfit import cli
from lensfit.bench import curvature, rows, w_tilde
from lensfit.bench.curvature import Inversion, curvature_error
from lensfit.bench.mock import PIXEL_SCALE, Tracks, lensed_mapping, w_tilde_error
from lensfit.cli import bench as command
from lensfit.datasets import ARCSEC
from lensfit.errors import DataError

TRACKS = Tracks.of(9, 70)
CASE = Inversion(tracks=TRACKS, source_pixels=13, neighbours=3)


@pytest.mark.parametrize("one", w_tilde.implementations(), ids=lambda one: one.name)
def test_w_tilde_is_the_exact_sum(one):
    assert w_tilde_error(TRACKS, one.prepare(TRACKS)()) < 1e-12


@pytest.mark.parametrize("one", curvature.implementations(), ids=lambda one: one.name)
def test_curvature_is_the_exact_sum(one):
    result = np.asarray(one.prepare(CASE)())
    assert result.shape == (13, 13)
    assert curvature_error(CASE, result) < 1e-12
    np.testing.assert_allclose(result, result.T, atol=1e-12 * np.abs(result).max())


def test_a_wrong_result_is_seen():
    assert w_tilde_error(TRACKS, 1.001 * CASE.compact) > 1e-5
    assert curvature_error(CASE, 1.001 * curvature.implementations()[0].prepare(CASE)()) > 1e-4


def test_tracks_are_those_of_a_turning_earth():
    """Within what the pixels carry, both signs, ellipses rather than a line."""
    tracks = Tracks.of(32, 5000)
    assert len(tracks.u) == len(tracks.v) == len(tracks.weights) == 5000
    longest = np.hypot(tracks.u, tracks.v).max() * PIXEL_SCALE * ARCSEC
    assert 0.3 < longest < 0.5
    assert np.linalg.cond(np.cov(tracks.u, tracks.v)) < 20
    assert np.unique(np.round(np.hypot(tracks.u, tracks.v))).size > 1000
    for wrong in ((1, 10), (8, 0)):
        with pytest.raises(DataError):
            Tracks.of(*wrong)


def test_mapping_is_lensed():
    """Every source pixel near the middle has images on both sides, and weights add up to 1."""
    mask = Tracks.of(32, 10).mask
    indices, weights = lensed_mapping(mask, 64, 4)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    assert all(len(set(row)) == 4 for row in indices.tolist())
    x = np.nonzero(mask)[1] - 15.5
    seen = x[(indices == 0).any(1)]
    assert seen.min() < -4 and seen.max() > 4
    with pytest.raises(DataError):
        lensed_mapping(mask, 4, 5)


@pytest.fixture
def quick(monkeypatch):
    """The command in this process, each call timed once."""
    from lensfit import cli

    monkeypatch.setattr(cli, "setup", lambda: None)
    monkeypatch.setattr(command, "_use_one_core", lambda: None)
    monkeypatch.setattr(rows, "REPEATS", 1)
    for name in cli.ONE_THREAD:
        monkeypatch.setenv(name, "1")


@pytest.mark.parametrize(
    ("what", "options", "ways"),
    [
        ("w-tilde", [], w_tilde.implementations()),
        ("curvature", ["--source-pixels", "13", "--weights", "2"], curvature.implementations()),
    ],
)
def test_command_prints_a_table_and_writes_rows(what, options, ways, quick, tmp_path, capsys):
    files = ["--json", str(tmp_path / "rows.json"), "--out", str(tmp_path / "table.png")]
    assert cli.main(["bench", what, "--grid", "9", "--visibilities", "70", *options, *files]) == 0
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "rows.json").read_text())
    assert [row["implementation"] for row in written] == [one.name for one in ways]
    assert {"lensfit", "numba_sparse" if what == "curvature" else "numba_compact"} <= set(printed.split())
    for row in written:
        assert set(row) == {"implementation", "seconds", "ratio", "error", "memory"}
        assert row["seconds"] > 0 and row["error"] < 1e-12 and row["memory"] > 0
        assert row["ratio"] == pytest.approx(row["seconds"] / written[-1]["seconds"])
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_what_does_not_fit_is_listed_and_not_run(quick, capsys):
    assert cli.main(["bench", "curvature", "--grid", "9", "--visibilities", "70", "--source-pixels", "13",
                     "--memory", "2e-5"]) == 0
    table = capsys.readouterr().out
    assert "needs" in next(line for line in table.splitlines() if line.startswith("numpy_dense"))
    assert "needs" not in next(line for line in table.splitlines() if line.startswith("lensfit"))


def test_slow_ways_run_on_fewer_visibilities_or_not_at_all():
    """Time is scaled by the share that was run."""

    def prepare(case):
        return lambda: types.SimpleNamespace(case=case)

    def way(name, rate):
        return rows.Implementation(name, prepare, lambda case: 0.0, float, rate)

    ways = [way("slow", 0.5 / rows.PATIENCE), way("lensfit", 1e9)]
    shortened = rows.measure(100.0, ways, lambda case, _: case, 1.0, lambda case, share: (case * share, share, "less"))
    assert [row.remark for row in shortened] == ["less", ""]
    assert shortened[0].error == pytest.approx(0.5), "half a unit of work is what the patience allows"
    left_out = rows.measure(100.0, ways, lambda case, _: case, 1.0, lambda case, share: (case, 0.0, ""))
    assert left_out[0].seconds is None and left_out[0].remark == f"needs about {200 * rows.PATIENCE:.0f} s"


def test_options_are_checked(capsys):
    for wrong in (["bench"], ["bench", "w-tilde", "--grid", "0"], ["bench", "w-tilde", "--source-pixels", "9"]):
        with pytest.raises(SystemExit, match="2"):
            cli.main(wrong)
    capsys.readouterr()
