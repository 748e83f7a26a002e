"""Figures: what they draw, on which axes, with which colours; and the images they are made of."""

import dataclasses
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from made_run import made_problem, made_result, sky
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lensfit.analysis import Analysis
from lensfit.datasets import Interferometer, read_imaging
from lensfit.errors import ModelError
from lensfit.instruments import earth_rotation, spiral
from lensfit.lensing import Field
from lensfit.likelihood.calibration import Observations
from lensfit.maps import Maps
from lensfit.model import LensModel
from lensfit.plots import (
    FIGURES,
    PANELS,
    ModelImages,
    Scene,
    VisibilityScene,
    inspect_figure,
    new_figure,
    position_angle,
    sky_axes,
    visibility_overview,
)
from lensfit.plots.mass_figures import KAPPAS
from lensfit.plots.panels import framed, round_ticks, scale_bar, stretch
from lensfit.plots.scene import PIXELS
from lensfit.profiles import SIE, Sersic
from lensfit.simulate import simulate_interferometer

SLACS = Path(__file__).parents[2] / "shared/data/slacs/J0029-0055"


@pytest.fixture(scope="module")
def scene(mock):
    imaging, problem = made_problem(mock.imaging)
    return Scene.of(imaging, problem.likelihood, made_result(problem, mock.truth).model)


def panels(figure):
    """The axes with a title, without the colour bars."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn(scene, name):
    figure = FIGURES[name](scene)
    assert isinstance(figure, Figure) and isinstance(figure.canvas, FigureCanvasAgg)
    figure.canvas.draw()
    for axes in panels(figure).values():
        assert "arcsec" in axes.get_xlabel()
        assert axes.get_xlim()[0] < axes.get_xlim()[1]


def test_no_global_state_is_touched(scene):
    before = dict(matplotlib.rcParams)
    FIGURES["overview"](scene).canvas.draw()
    assert dict(matplotlib.rcParams) == before
    assert matplotlib._pylab_helpers.Gcf.get_all_fig_managers() == []


def test_overview_shows_six_panels_of_equal_aspect(scene):
    shown = panels(FIGURES["overview"](scene))
    assert list(shown) == [
        "Data", "Model", "Normalised residual", "Lens light", "Data \N{MINUS SIGN} lens light", "Source plane"
    ]
    for axes in shown.values():
        assert axes.get_aspect() == 1.0
        assert len(axes.images) == 1
    scales = [shown[name].images[0].norm for name in ("Data", "Model", "Lens light")]
    assert len({(scale.vmin, scale.vmax, scale.linear_width) for scale in scales}) == 1
    norm = shown["Normalised residual"].images[0].norm
    assert (norm.vmin, norm.vmax) == (-5, 5)


def test_titles_and_labels_of_visibilities_are_inside_their_overview():
    """The axes of baselines are as wide as they may be beside five images of equal aspect."""
    rows = earth_rotation(
        spiral(8, 400.0), latitude=-23.0, declination=-45.0, hour_angles=np.linspace(-2, 2, 6), wavelength=870e-6,
        noise=5e-3,
    )  # fmt: skip
    mass = {"sie": SIE(center_x=0.0, center_y=0.0, e1=0.1, e2=0.0, einstein_radius=0.9)}
    source = Sersic(center_x=0.1, center_y=0.0, e1=0.1, e2=0.0, intensity=4e-3, effective_radius=0.2, sersic_index=1.0)
    truth = LensModel(light={}, mass=mass, source={"sersic": source})
    data = simulate_interferometer(truth, Interferometer.of(rows, pixel_scale=0.1, shape=(48, 48)), seed=1)
    figure = visibility_overview(VisibilityScene.of(Observations.of([data]), truth))
    figure.canvas.draw()
    words = [text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    boxes = [text.get_window_extent() for text in words if text.get_text()]
    assert len(boxes) == 3 * 6 + 5
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)
    assert all(box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height for box in boxes)


def test_colour_bars_carry_the_unit(scene):
    labels = [axes.get_ylabel() for axes in FIGURES["data"](scene).axes]
    assert "MJy / sr" in labels


def test_masked_pixels_are_masked_in_every_image_of_the_sky(scene):
    for title, axes in panels(FIGURES["overview"](scene)).items():
        if title != "Source plane":
            np.testing.assert_array_equal(axes.images[0].get_array().mask, scene.imaging.mask)


def test_images_are_drawn_where_the_coordinates_say(scene):
    imaging = scene.imaging
    image = panels(FIGURES["data"](scene))["Data"].images[0]
    left, right, bottom, top = image.get_extent()
    rows, columns = imaging.shape
    assert left + (right - left) * 0.5 / columns == pytest.approx(imaging.x[0, 0])
    assert bottom + (top - bottom) * 0.5 / rows == pytest.approx(imaging.y[0, 0])
    assert image.origin == "lower"


def test_the_view_is_the_unmasked_field(scene):
    axes = panels(FIGURES["data"](scene))["Data"]
    good = ~scene.imaging.mask
    x, y = scene.imaging.x[good], scene.imaging.y[good]
    for limits, values in ((axes.get_xlim(), x), (axes.get_ylim(), y)):
        assert limits[0] <= values.min() and values.max() <= limits[1]
        assert limits[1] - limits[0] < np.ptp(values) + 8 * scene.imaging.pixel_scale


def test_a_profile_bears_arcs_that_vanish(scene):
    images = dataclasses.replace(scene.images, arcs=np.full_like(scene.images.arcs, 1e-12))
    FIGURES["profile"](dataclasses.replace(scene, images=images)).canvas.draw()


def test_profile_has_a_logarithmic_axis_and_a_band(scene):
    axes = FIGURES["profile"](scene).axes[0]
    assert axes.get_yscale() == "log"
    words = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"data", "model", "lens light", "lensed source"} <= words
    assert len(axes.collections) > 0


def test_images_of_the_model_add_up_to_the_likelihood(mock, scene):
    imaging, problem = made_problem(mock.imaging)
    images, result = scene.images, made_result(problem, mock.truth)
    assert np.nansum(images.residual**2) == pytest.approx(result.chi2, rel=1e-9)
    np.testing.assert_array_equal(np.isnan(images.residual), imaging.mask)
    np.testing.assert_allclose(images.model, images.light + images.source)
    assert np.isfinite(images.model[~imaging.mask]).all()
    assert np.isnan(images.model[0, 0])


def test_a_cutout_has_the_same_images(mock):
    imaging, problem = made_problem(mock.imaging)
    model = made_result(problem, mock.truth).model
    part = imaging.cutout(1.45, center=(0.1, -0.05))
    again = ModelImages.of(part, problem.likelihood, model)
    whole = ModelImages.of(imaging, problem.likelihood, model)
    row, column = (np.flatnonzero(np.isclose(a, b))[0] for a, b in (
        (imaging.y[:, 0], part.y[0, 0]), (imaging.x[0], part.x[0, 0])
    ))
    rows, columns = part.shape
    np.testing.assert_array_equal(again.model, whole.model[row : row + rows, column : column + columns])


def test_a_model_without_source_or_mass_is_drawn(mock):
    imaging, problem = made_problem(mock.imaging)
    model = made_result(problem, mock.truth).model
    bare = dataclasses.replace(model, source={}, mass={})
    scene = Scene.of(imaging, problem.likelihood, bare)
    assert scene.plane.positions == () and scene.plane.curves.tangential == ()
    for figure in FIGURES.values():
        figure(scene).canvas.draw()


@pytest.mark.parametrize("known", [True, False])
def test_inspect_shows_what_was_understood(mock, known):
    wcs = sky(mock.imaging.shape, mock.imaging.pixel_scale) if known else None
    figure = inspect_figure(dataclasses.replace(mock.imaging, wcs=wcs))
    figure.canvas.draw()
    shown = panels(figure)
    whole, region, noise, psf = shown
    assert (whole, region) == ("Whole image, region used outlined", "Region used: signal over noise")
    assert (noise, psf) == ("Noise map", "PSF, 5 x 5 pixels")
    assert ({"N", "E"} <= {text.get_text() for text in shown[region].texts}) == known
    assert any("of 0.12 arcsec" in text.get_text() for text in shown[whole].texts)


def test_north_is_up_and_east_left_in_an_unrotated_image():
    east, north = sky_axes(sky((10, 10), 0.1, angle=0.0))
    np.testing.assert_allclose(east, [-1, 0], atol=1e-12)
    np.testing.assert_allclose(north, [0, 1], atol=1e-12)


@pytest.mark.parametrize("angle, phi", [(0.0, 30.0), (0.4, 30.0), (-1.2, 170.0)])
def test_position_angle_is_that_of_astropy(angle, phi):
    wcs = sky((100, 100), 0.1, angle)
    step = 0.5 * np.array([np.cos(np.radians(phi)), np.sin(np.radians(phi))])
    here, there = (SkyCoord(wcs.pixel_to_world(*(np.array([49.5, 49.5]) + k * step))) for k in (0, 1))
    expected = here.position_angle(there).deg % 180
    assert position_angle(wcs, phi) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("top", [0.02, 1.0, 3e4])
def test_ticks_are_few_and_hold_zero(top):
    norm = stretch(np.linspace(-top, top, 1000), 0.01 * top)
    ticks = round_ticks(norm)
    assert 0.0 in ticks and 3 <= len(ticks) <= 10


@pytest.mark.skipif(not SLACS.is_dir(), reason=f"{SLACS} is not there: shared real data are not installed")
def test_a_real_lens_is_inspected():
    imaging = read_imaging(SLACS, pixel_scale=0.05, nan="mask")
    inspect_figure(imaging.circular_mask(3.0)).canvas.draw()


@pytest.fixture(scope="module")
def done(mock):
    imaging, problem = made_problem(mock.imaging)
    return Analysis.of(problem, made_result(problem, mock.truth), imaging)


def test_every_panel_is_drawn_on_axes_of_one_s_own(done):
    assert set(PANELS) == set(FIGURES) - {"overview"}
    figure = new_figure(12, 9)
    for axes, name in zip(figure.subplots(3, 4).flat, PANELS, strict=False):
        assert done.plot(name, axes) is figure
        assert axes.get_title() and axes.get_xlabel()
    figure.canvas.draw()
    assert isinstance(done.plot("overview"), Figure)
    with pytest.raises(ModelError, match="convergance: no panel; did you mean convergence"):
        done.plot("convergance", figure.axes[0])
    with pytest.raises(ModelError, match="nothing: no figure; there are overview"):
        done.plot("nothing")


def test_convergence_and_magnification_are_those_of_the_model(scene):
    field, source = scene.field, {"shape": 2, "pixel_scale": 1.0, "center": (0, 0)}
    maps = Maps.of(scene.model, shape=PIXELS, pixel_scale=2 * field.half_width / PIXELS, center=(field.x, field.y),
                   source=source)  # fmt: skip
    kappa = panels(FIGURES["convergence"](scene))["Convergence"].images[0].get_array()
    np.testing.assert_allclose(kappa, np.clip(maps.convergence, *KAPPAS), rtol=1e-6)
    mu = panels(FIGURES["magnification"](scene))["Magnification"].images[0].get_array()
    inside = (abs(maps.magnification) > 0.02) & (abs(maps.magnification) < 50)
    np.testing.assert_allclose(np.asarray(mu)[inside], abs(maps.magnification)[inside], rtol=1e-4)


@pytest.mark.parametrize(("half", "length"), [(2.0, 1.0), (0.3, 0.1), (4.0, 2.0), (0.07, 0.02)])
def test_a_scale_bar_has_a_round_length_and_says_it(half, length):
    _, axes = framed(4, 4, (0.1, 0.1, 0.8, 0.8))
    scale_bar(axes, Field(1.0, -2.0, half))
    (bar,) = axes.lines
    assert np.ptp(bar.get_xdata()) == pytest.approx(length) and axes.texts[0].get_text() == f'{length:g}"'
    assert max(bar.get_xdata()) < 1.0 + half and min(bar.get_ydata()) > -2.0 - half


def test_scale_bars_are_in_kpc_where_redshifts_are_known(done):
    known = done.with_redshifts(0.5, 2.0)
    kpc = {"data": known.redshifts.kpc_per_arcsec, "convergence": known.redshifts.kpc_per_arcsec,
           "source": known.redshifts.pc_per_arcsec / 1000}  # fmt: skip
    for panel, scale in kpc.items():
        axes, bare = framed(4, 4, (0.1, 0.1, 0.8, 0.8))[1], framed(4, 4, (0.1, 0.1, 0.8, 0.8))[1]
        known.plot(panel, axes)
        done.plot(panel, bare)
        (said,) = [text.get_text() for text in axes.texts if text.get_text().endswith("kpc")]
        length, long = said.removesuffix(" kpc").split('" = ')
        assert float(long) == pytest.approx(float(length) * scale, rel=0.01)
        assert any(text.get_text() == f'{length}"' for text in bare.texts)
    _, axes = framed(4, 4, (0.1, 0.1, 0.8, 0.8))
    done.with_redshifts(source=2.0).plot("data", axes)
    assert not [text for text in axes.texts if "kpc" in text.get_text()]


def test_figures_are_pdf_too_where_that_is_asked_for(done, tmp_path):
    done.save(tmp_path, "pdf")
    made = {path.stem for path in tmp_path.glob("*.pdf")}
    assert made == set(FIGURES) and (tmp_path / "source.pdf").read_bytes().startswith(b"%PDF")
    page = (tmp_path / "report.html").read_text()
    assert "Lens model" in page and "z<sub>lens" not in page
    done.with_redshifts(0.5, 2.0).save(tmp_path, "overview")
    assert "z<sub>lens</sub> = 0.5, z<sub>source</sub> = 2" in (tmp_path / "report.html").read_text()
    assert not list(tmp_path.glob("*.pdf")), "figures of an earlier run go"
