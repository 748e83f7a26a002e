"""A model seen through an instrument: an image or visibilities with the noise that real ones would have."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.datasets import Imaging, Interferometer
from lensfit.datasets.dataset import LARGEST, check_usual, checked_scale
from lensfit.errors import DataError, ModelError
from lensfit.grid import Grid, evaluation_box, make_grid
from lensfit.instruments import Instrument
from lensfit.likelihood.interferometer import model_visibilities
from lensfit.model import LensModel, check_meaning
from lensfit.operators.psf import convolve, transfer_function
from lensfit.pytree import replace
from lensfit.space import Space
from lensfit.surface import surface

TOLERANCE = 1e-3
"""Change of a pixel's mean, in units of the noise of the empty sky, below which it counts as converged."""
MOST_PIXELS = 2**22
"""Pixels of the largest image that is simulated."""
MOST_COUNTS = 1e18
"""Counts in a pixel from which on Poisson noise cannot be drawn."""
FINEST = 64
"""Sub-pixels per axis beyond which no pixel is refined."""


def simulate_imaging(
    model: LensModel, instrument: Instrument, shape: tuple[int, int], *, seed: int, oversampling: int = 4
) -> Imaging:
    """Observe a model: Poisson noise of light and sky, Gaussian read noise, the known mean sky subtracted.

    counts = Poisson[(m + sky) t g] + Normal(0, read noise), data = counts / (t g) - sky, with m from
    `model_image`, t the exposure time and g the gain. The noise map is the standard deviation of just that:
    sigma^2 = [(m + sky) t g + read noise^2] / (t g)^2, from the true m and not from the noisy data. A sky in
    the model stays in the data, as one that was not subtracted. Data, noise and PSF have single precision.

    Args:
        model: all its leaves are numbers; brightness in the instrument's data unit per pixel.
        instrument: pixels, PSF and noise.
        shape: (H, W) of the image; its centre is the origin.
        seed: the same seed gives the same data.
        oversampling: sub-pixels per axis to begin with, see `model_image`.

    Returns:
        The image with its noise map and PSF, in the instrument's data unit.

    Raises:
        ModelError: a leaf of the model is no number or means nothing, or the expected counts are negative or beyond
            all bounds.
        DataError: the shape or a number of the instrument means nothing.
    """
    _check_view(instrument, shape)
    brightness = model_image(model, instrument, shape, oversampling=oversampling)
    expected = (brightness + instrument.sky) * instrument.counts
    if not expected.max() < MOST_COUNTS:
        raise ModelError(
            f"the model has {expected.max():g} counts in its brightest pixel, more than {MOST_COUNTS:g}, or no number; "
            "lower its intensities, the gain or the exposure time"
        )
    if not expected.min() >= 0:
        raise ModelError(
            f"the model with the sky of {instrument.sky:g} is {expected.min() / instrument.counts:g} in its "
            "faintest pixel, and counts cannot be negative; raise the sky or the model's intensities"
        )
    random = np.random.default_rng(seed)
    counts = random.poisson(expected) + random.normal(0, instrument.read_noise, shape)
    return Imaging.from_arrays(
        np.float32(counts / instrument.counts - instrument.sky),
        np.float32(instrument.noise(brightness)),
        instrument.psf,
        pixel_scale=instrument.pixel_scale,
        unit=instrument.unit,
        notes=_notes(instrument, seed),
    )


def simulate_interferometer(
    model: LensModel, layout: Interferometer, *, seed: int, phase_errors: float = 0.0
) -> Interferometer:
    """Observe a model with the baselines, noise, image grid and primary beam of a dataset, real or from a track.

    Visibilities are exact to a hundredth of their noise: pixels are halved until they no longer change by more.
    Real and imaginary parts get Gaussian noise; each antenna of each track a phase error that stays.

    Args:
        model: all its leaves are numbers; brightness in Jy per pixel of the layout.
        layout: its visibilities are replaced.
        seed: the same seed gives the same data.
        phase_errors: standard deviation of the antennas' phases in degrees.

    Returns:
        The layout with the visibilities [Jy] that the model and the noise make.

    Raises:
        ModelError: a leaf of the model is no number.
        DataError: phase errors of antennas that are not known.
    """
    _check_numbers(model)
    rows, random = layout.visibilities, np.random.default_rng(seed)
    with jax.enable_x64(True):
        values = _exact_visibilities(model, layout)
    if phase_errors:
        values = values * np.exp(1j * np.deg2rad(phase_errors) * _antenna_differences(layout, random))
    noise = rows.sigma_re * random.standard_normal(len(rows)) + 1j * rows.sigma_im * random.standard_normal(len(rows))
    notes = (f"simulated by lensfit with seed {seed}, antenna phases off by {phase_errors:g} degrees",)
    rows = replace(rows, values=values + noise, notes=notes, sources=())
    return replace(layout, visibilities=rows, notes=notes, sources=())


def _exact_visibilities(model: LensModel, layout: Interferometer) -> np.ndarray:
    """V (K,) of the continuous brightness, from pixels that are halved until nothing moves."""
    noise = np.minimum(layout.visibilities.sigma_re, layout.visibilities.sigma_im)
    before, factor = None, 1
    while True:
        used = np.kron(~layout.mask, np.ones((factor, factor), bool))
        fine = replace(layout, pixel_scale=layout.pixel_scale / factor, mask=~used)
        grid = make_grid(fine.x, fine.y, 4 * used, fine.pixel_scale)
        image = np.asarray(_surface(model, grid)) * fine.beam / factor**2
        values = model_visibilities(fine, image, 4)
        if (before is not None and (np.abs(values - before) < 0.01 * noise).all()) or factor >= FINEST // 4:
            return values
        before, factor = values, 2 * factor


def _antenna_differences(layout: Interferometer, random: np.random.Generator) -> np.ndarray:
    """(K,) difference of two standard normal numbers, one for each antenna of each track."""
    rows = layout.visibilities
    if rows.antenna1 is None or rows.antenna2 is None:
        raise DataError("the layout does not say which antennas its baselines join; leave phase_errors out")
    track = np.zeros(len(rows), int) if rows.track is None else rows.track
    ends = np.stack([np.concatenate([rows.antenna1, rows.antenna2]), np.concatenate([track, track])])
    _, number = np.unique(ends, axis=1, return_inverse=True)
    phases = random.standard_normal(number.max() + 1)[number]
    return phases[: len(rows)] - phases[len(rows) :]


def model_image(
    model: LensModel, instrument: Instrument, shape: tuple[int, int], *, oversampling: int = 4
) -> np.ndarray:
    """Expected brightness (H, W) over the sky: PSF * (pixel mean of the model's light) + the model's sky.

    The mean begins with so many sub-pixels per axis, which are doubled pixel by pixel until it no longer
    changes by more than TOLERANCE or they reach FINEST. Light outside the frame counts as far as the PSF
    reaches.

    Raises:
        ModelError: a leaf of the model is no number.
    """
    _check_numbers(model)
    reach = max(instrument.psf.shape) // 2
    rows, columns, needed = evaluation_box(np.zeros(shape, bool), reach)
    x, y = np.meshgrid(
        (np.arange(columns.start, columns.stop) - (shape[1] - 1) / 2) * instrument.pixel_scale,
        (np.arange(rows.start, rows.stop) - (shape[0] - 1) / 2) * instrument.pixel_scale,
    )
    with jax.enable_x64(True):
        light = jnp.asarray(_pixel_means(model, x, y, needed, instrument, oversampling))
        image = np.asarray(convolve(light, jnp.asarray(transfer_function(instrument.psf, needed.shape))))
    return image[reach : reach + shape[0], reach : reach + shape[1]] + np.asarray(model.sky, float)


def _pixel_means(
    model: LensModel, x: np.ndarray, y: np.ndarray, needed: np.ndarray, instrument: Instrument, level: int
) -> np.ndarray:
    """Mean brightness (H, W) over each pixel, from `level` sub-pixels per axis on; zero where not needed."""

    def means(pixels: np.ndarray, level: int) -> np.ndarray:
        grid = make_grid(x, y, np.where(pixels, level, 0), instrument.pixel_scale)
        return np.asarray(_surface(model, grid))

    tolerance = TOLERANCE * instrument.noise(0.0)
    image, moving = means(needed, level), needed
    while moving.any() and level < FINEST:
        level *= 2
        finer = np.where(moving, means(moving, level), image)
        moving = np.abs(finer - image) > tolerance
        image = finer
    return image


@compiled
def _surface(model: LensModel, grid: Grid) -> jax.Array:
    return surface(LensModel.brightness, model, grid)


def _check_numbers(model: LensModel) -> None:
    space = Space.of(model)
    left = [p.name for p in (*space.parameters, *space.amplitudes)]
    if left:
        raise ModelError(f"{', '.join(left)}: prior or Solved where a number is needed; give the true values")
    check_meaning(model)


def _check_view(instrument: Instrument, shape: tuple[int, int]) -> None:
    """Raise DataError where the image to be simulated has no or too many pixels, or is seen by no instrument."""
    rows, columns = shape
    if min(rows, columns) < 1 or rows * columns > MOST_PIXELS:
        raise DataError(f"shape={rows, columns}: give (H, W), rows and columns of 1 to {MOST_PIXELS} pixels in all")
    psf = instrument.psf
    if psf.ndim != 2 or not all(side % 2 for side in psf.shape) or not np.isfinite(psf).all() or not psf.sum() > 0:
        raise DataError(f"PSF of shape {psf.shape}: give a finite image of odd sides, with light in it")
    check_usual(checked_scale(instrument.pixel_scale), "the instrument")
    for name, least in (("exposure_time", 0.0), ("gain", 0.0), ("read_noise", -1e-300), ("sky", -np.inf)):
        number = getattr(instrument, name)
        if not least < number < LARGEST:
            raise DataError(f"{name} is {number:g}; an instrument's is above {max(least, 0):g} and below {LARGEST:g}")


def _notes(instrument: Instrument, seed: int) -> tuple[str, ...]:
    return (
        f"simulated by lensfit with seed {seed}: {instrument.exposure_time:g} s, "
        f"read noise {instrument.read_noise:g} counts, sky {instrument.sky:g} subtracted",
        "noise = standard deviation of light, sky and read noise, from the true model",
        *instrument.notes,
    )
