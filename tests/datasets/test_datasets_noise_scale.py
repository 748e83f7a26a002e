"""Noise of visibilities that is off by a factor: told, and taken out where that is asked for."""

import dataclasses

import numpy as np
import pytest

from lensfit.datasets import ARCSEC, Visibilities, read_interferometer
from lensfit.datasets.noise_scale import scatter_of_neighbours, with_noise_scale
from lensfit.errors import DataError

TIMES, CHANNELS, ANTENNAS = 50, 2, 9
SIGMA = 0.004
BLOBS = ((0.9, 0.2, 0.5), (-0.4, 0.7, 0.3), (0.1, -0.8, 0.2))
"""Places [arcsec] and flux."""


def tracks(*, factor=1.0, flux=0.05, seed=3, every=1.0, middle=(0.0, 0.0), channels=CHANNELS):
    """Blobs about a place, seen from baselines that the Earth turns, with noise `factor` times what is stated."""
    rng = np.random.default_rng(seed)
    places = rng.normal(0, 9e4, (ANTENNAS, 2))
    first, second = np.triu_indices(ANTENNAS, 1)
    hour = np.radians(0.1 * every * np.arange(TIMES))
    length = places[second] - places[first]
    u = np.outer(np.cos(hour), length[:, 0]) + np.outer(np.sin(hour), length[:, 1])
    v = 0.7 * (np.outer(np.cos(hour), length[:, 1]) - np.outer(np.sin(hour), length[:, 0]))
    frequency = 1 + 1e-3 * np.arange(channels)
    u, v = (a[:, :, None] * frequency for a in (u, v))
    sky = sum(
        flux * part * np.exp(-2j * np.pi * ARCSEC * (u * (x + middle[0]) + v * (y + middle[1])))
        for x, y, part in BLOBS
    )
    noise = factor * SIGMA * (rng.standard_normal(u.shape) + 1j * rng.standard_normal(u.shape))
    labels = {"antenna1": first[None, :, None], "antenna2": second[None, :, None], "time": hour[:, None, None]}
    every = {name: np.broadcast_to(label, u.shape).ravel() for name, label in labels.items()}
    return Visibilities.from_arrays(
        u.ravel(), v.ravel(), (sky + noise).ravel(), SIGMA, sign=-1, east="right", **every
    )


UNKNOWN = {
    "all known": (),
    "no times": ("time",),
    "no antennas": ("antenna1", "antenna2", "time"),
}


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN)
@pytest.mark.parametrize("factor", [0.1, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("flux", [0.0, 0.05, 0.4])
def test_the_factor_is_found(factor, flux, unknown):
    rows = dataclasses.replace(tracks(factor=factor, flux=factor * flux), **dict.fromkeys(unknown))
    found = scatter_of_neighbours(rows)
    assert found.factor == pytest.approx(factor, abs=4 * found.error)
    assert found.error < 0.1 * factor


def test_a_lens_far_from_the_phase_centre():
    found = scatter_of_neighbours(tracks(middle=(0.0, 2.2)))
    assert found.factor == pytest.approx(1, abs=4 * found.error)


def test_channels_where_times_are_too_far_apart():
    rows = tracks(every=60, flux=0.5)
    found = scatter_of_neighbours(rows)
    assert "channels" in found.between and found.factor == pytest.approx(1, abs=4 * found.error)


def test_bright_structure_is_not_taken_for_noise():
    rows = tracks(every=60, flux=5.0, channels=1)
    assert scatter_of_neighbours(rows) is None
    with pytest.raises(DataError, match="needs 150 neighbouring visibilities between which the sky cannot change"):
        with_noise_scale(rows, "auto")
    assert with_noise_scale(rows, None) is rows


def test_many_rows_are_sampled(monkeypatch):
    monkeypatch.setattr("lensfit.datasets.noise_scale.SAMPLE", 1000)
    ones = np.ones(ANTENNAS * (ANTENNAS - 1) // 2 * TIMES * CHANNELS, int)
    one = {"antenna1": ones, "antenna2": 2 * ones}
    unknown = dict.fromkeys(("antenna1", "antenna2", "time"))
    for changes in ({}, one | {"time": None}, unknown):
        rows = dataclasses.replace(tracks(factor=2), **changes)
        found = scatter_of_neighbours(rows)
        assert found.count <= 1000 and found.factor == pytest.approx(2, abs=4 * found.error)


def test_hands_at_one_place():
    """Two rows at each place in the uv plane, as of two polarisations; of one row there is nothing to say."""
    one, other = tracks(factor=2), tracks(factor=2, seed=5)
    unknown = dict.fromkeys(("antenna1", "antenna2", "time"))
    names = ("u", "v", "sigma_re", "sigma_im")
    both = {name: np.tile(getattr(one, name), 2) for name in names}
    noise = other.values - tracks(factor=0, seed=5).values
    rows = dataclasses.replace(one, **both, **unknown, values=np.concatenate([one.values, one.values + noise]))
    assert scatter_of_neighbours(rows).factor == pytest.approx(np.sqrt(0.5) * 2, rel=0.05)  # the first noise is in both
    single = {name: getattr(one, name)[:1] for name in (*names, "values")}
    assert scatter_of_neighbours(dataclasses.replace(one, **single, **unknown)) is None


def test_two_tracks_share_no_baseline():
    """Rows of two tracks at the same times, of which the second has three times the flux."""
    one, other = tracks(flux=0.02), tracks(flux=0.06, seed=4)
    names = ("u", "v", "values", "sigma_re", "sigma_im", "antenna1", "antenna2", "time")
    both = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names}
    rows = dataclasses.replace(one, **both, track=np.repeat([0, 1], len(one)))
    assert scatter_of_neighbours(rows).factor == pytest.approx(1, abs=0.1)


def test_taken_out_and_told():
    rows = tracks(factor=2)
    auto = with_noise_scale(rows, "auto")
    assert auto.sigma_re is auto.sigma_im and not auto.sigma_re.flags.writeable
    np.testing.assert_allclose(auto.sigma_re, 2 * SIGMA, rtol=0.1)
    assert "noise multiplied by" in auto.notes[-1] and "neighbouring times on a baseline" in auto.notes[-1]
    assert with_noise_scale(auto, None) is auto  # nothing is left to tell
    given = with_noise_scale(rows, 2)
    np.testing.assert_allclose(given.sigma_im, 2 * SIGMA)
    assert given.notes[-1] == "noise multiplied by 2" and given.hash != rows.hash


@pytest.mark.parametrize(("factor", "told"), [(2.0, "times too small"), (0.5, "times too large"), (1.0, None)])
def test_noise_that_is_off_is_told_at_the_door(factor, told):
    rows = with_noise_scale(tracks(factor=factor), None)
    assert (told is None) == (rows.notes == tracks(factor=factor).notes)
    if told:
        assert told in rows.notes[-1] and "noise_scale='auto' takes it out" in rows.notes[-1]


@pytest.mark.parametrize("scale", [0, -1.0, np.nan, np.inf, True, "much"])
def test_scales_that_mean_nothing(scale):
    with pytest.raises(DataError, match="give a positive number, or 'auto'"):
        with_noise_scale(tracks(), scale)


def test_the_reader_takes_it(tmp_path):
    rows = tracks(factor=2)
    np.savez(tmp_path / "lens.npz", u=rows.u, v=rows.v, vis=rows.values, sigma=rows.sigma_re, ant1=rows.antenna1,
             ant2=rows.antenna2, time=rows.time)  # fmt: skip
    frame = {"sign": -1, "east": "right", "pixel_scale": 0.05, "shape": (120, 120)}
    auto = read_interferometer(tmp_path / "lens.npz", noise_scale="auto", **frame)
    np.testing.assert_allclose(auto.visibilities.sigma_re, 2 * SIGMA, rtol=0.1)
    assert any("times too small" in note for note in read_interferometer(tmp_path / "lens.npz", **frame).notes)
    with pytest.raises(DataError, match="a table of one source without names; leave out field="):
        read_interferometer(tmp_path / "lens.npz", field="lens", **frame)
