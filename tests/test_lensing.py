"""Critical curves, images and magnification against analytic lenses and brute force."""

import jax
import numpy as np
import pytest

from lensfit.errors import ModelError
from lensfit.lensing import (
    Field,
    bright_cells,
    critical_curves,
    einstein_radius,
    einstein_radius_of,
    flux,
    image_positions,
    in_chunks,
    jacobian,
    magnification,
    main_critical_curve,
    source_magnification,
    traced,
    unlensed,
)
from lensfit.lensing.lens_equation import CHUNK
from lensfit.model import LensModel
from lensfit.profiles import SIE, Exponential, Gaussian, MassProfile, Shear, parameter
from lensfit.pytree import pytree

FIELD = Field(0.1, -0.05, 3.0)


def softened(x, y, center_x, center_y, einstein_radius, core):
    """Isothermal sphere with a core: it has a radial critical curve."""
    dx, dy = x - center_x, y - center_y
    scale = einstein_radius / ((dx * dx + dy * dy + core * core) ** 0.5 + core)
    return scale * dx, scale * dy


@pytree
class Softened(MassProfile):
    formula = staticmethod(softened)

    center_x: float = parameter("arcsec", "x", "center_x")
    center_y: float = parameter("arcsec", "y", "center_y")
    einstein_radius: float = parameter("arcsec", "r", "einstein_radius")
    core: float = parameter("arcsec", "c")

    def convergence(self, x, y):
        raise NotImplementedError


def lens(e1=0.12, e2=-0.08, gamma1=0.03, gamma2=0.05, radius=1.2, source=None):
    """SIE with shear."""
    sie = SIE(center_x=0.03, center_y=-0.02, e1=e1, e2=e2, einstein_radius=radius)
    shear = Shear(gamma1=gamma1, gamma2=gamma2)
    return LensModel(light={}, mass={"sie": sie, "shear": shear}, source=source or {})


def sphere(source=None):
    """Singular isothermal sphere of Einstein radius 1 at the origin."""
    sie = SIE(center_x=0.0, center_y=0.0, e1=0.0, e2=0.0, einstein_radius=1.0)
    return LensModel(light={}, mass={"sie": sie}, source=source or {})


def test_jacobian_is_the_derivative_of_the_lens_equation():
    model, step = lens(), 1e-6
    x, y = np.array([[0.7, -1.1], [0.2, 2.0]]), np.array([[0.4, 0.3], [-0.9, 0.1]])
    by_x = (np.array(model.source_position(x + step, y)) - model.source_position(x - step, y)) / (2 * step)
    by_y = (np.array(model.source_position(x, y + step)) - model.source_position(x, y - step)) / (2 * step)
    expected = np.moveaxis([by_x, by_y], [0, 1], [-1, -2])
    np.testing.assert_allclose(jacobian(model, x, y), expected, atol=1e-8)
    np.testing.assert_allclose(magnification(model, x, y), 1 / np.linalg.det(expected), rtol=1e-6)


@pytest.mark.parametrize("e1, e2", [(0.0, 0.0), (0.1, 0.05), (-0.3, 0.2), (0.0, -0.45)])
def test_effective_einstein_radius_of_the_sie_is_its_parameter(e1, e2):
    model = lens(e1, e2, 0.0, 0.0)
    curves = critical_curves(model, FIELD)
    assert einstein_radius(model, curves.main) == pytest.approx(1.2, rel=1e-4)
    assert len(curves.tangential) == len(curves.cuts) == 1
    assert curves.radial == ()


def test_einstein_radius_with_shear_is_that_of_the_area_inside():
    model = lens()
    x, y = FIELD.cells(1500)
    inside = np.linalg.det(in_chunks(traced, model, x, y)[1]) < 0
    area = inside.sum() * (2 * FIELD.half_width / 1500) ** 2
    found = einstein_radius(model, critical_curves(model, FIELD).main)
    assert found == pytest.approx(np.sqrt(area / np.pi), rel=1e-3)


def test_einstein_radius_follows_a_model_that_moves_a_little():
    curve = critical_curves(lens(), FIELD).main
    moved = lens(radius=1.2001, gamma1=0.0302)
    expected = einstein_radius(moved, critical_curves(moved, FIELD).main)
    assert einstein_radius(moved, curve) == pytest.approx(expected, abs=2e-7)


def test_critical_curves_are_critical_and_caustics_their_images():
    model = lens()
    curves = critical_curves(model, FIELD)
    x, y = curves.main.T
    assert np.abs(np.linalg.det(jacobian(model, x, y))).max() < 1e-8
    np.testing.assert_allclose(curves.tangential_caustics[0].T, model.source_position(x, y), atol=1e-12)


def test_the_cut_of_the_isothermal_sphere_is_a_circle():
    curves = critical_curves(sphere(), FIELD)
    np.testing.assert_allclose(np.hypot(*curves.cuts[0].T), 1.0, atol=2e-4)


def test_a_lens_with_a_core_has_a_radial_curve_and_no_cut():
    core, radius = 0.1, 1.0
    soft = Softened(center_x=0.0, center_y=0.0, einstein_radius=radius, core=core)
    curves = critical_curves(LensModel(light={}, mass={"soft": soft}, source={}), FIELD)
    assert curves.cuts == () and len(curves.radial) == 1
    tangential = np.sqrt(radius**2 - 2 * radius * core)
    np.testing.assert_allclose(np.hypot(*curves.main.T), tangential, atol=1e-8)
    r = np.hypot(*curves.radial[0].T)
    root = np.sqrt(r**2 + core**2)
    stretch = 1 - radius / (root + core) + radius * r**2 / (root * (root + core) ** 2)
    np.testing.assert_allclose(stretch, 0, atol=1e-8)


def test_a_field_without_a_closed_curve_says_so():
    with pytest.raises(ModelError, match="no closed tangential critical curve"):
        _ = critical_curves(lens(radius=0.01), Field(2.0, 2.0, 0.5)).main
    assert np.isnan(einstein_radius_of(lens(radius=0.01), Field(2.0, 2.0, 0.5)))
    assert np.isnan(einstein_radius_of(LensModel(light={}, mass={}, source={}), FIELD))


def test_einstein_radius_of_two_masses_is_that_of_the_curve_about_both():
    """Two spheres at one place are one of their summed Einstein radii."""
    sie = SIE(center_x=0.0, center_y=0.0, e1=0.0, e2=0.0, einstein_radius=0.5)
    model = LensModel(light={}, mass={"first": sie, "second": sie}, source={})
    assert einstein_radius_of(model, FIELD) == pytest.approx(1.0, rel=1e-4)
    curve = main_critical_curve(lens(), FIELD)
    np.testing.assert_array_equal(curve, critical_curves(lens(), FIELD).main)
    assert einstein_radius_of(lens(), FIELD) == einstein_radius(lens(), curve)


def test_images_of_the_isothermal_sphere():
    first, second = image_positions(sphere(), 0.3, 0.0, FIELD)
    assert (first.x, first.y, first.magnification) == pytest.approx((1.3, 0.0, 1 + 1 / 0.3), abs=1e-5)
    assert (second.x, second.y, second.magnification) == pytest.approx((-0.7, 0.0, 1 - 1 / 0.3), abs=1e-5)
    assert (first.parity, second.parity) == (1, -1)


def brute_force(x, y, beta):
    """Images of the origin from a fine triangulation: the triangles of x, y whose map beta holds it."""
    found = []
    corner = {(0, 0): np.s_[:-1, :-1], (1, 0): np.s_[1:, :-1], (0, 1): np.s_[:-1, 1:], (1, 1): np.s_[1:, 1:]}
    for names in (((0, 0), (0, 1), (1, 0)), ((1, 1), (1, 0), (0, 1))):
        a, b, c = (beta[corner[name]] for name in names)
        turn = [p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0] for p, q in ((a, b), (b, c), (c, a))]
        holds = np.abs(np.sum(np.sign(turn), axis=0)) == 3
        found += list(zip(x[:-1, :-1][holds], y[:-1, :-1][holds], strict=True))
    step = x[0, 1] - x[0, 0]
    middle = np.array(found) + step / 2
    return middle[np.hypot(middle[:, 0] - 0.03, middle[:, 1] + 0.02) > 3 * step]


def test_all_images_of_sie_and_shear_are_found():
    model = lens()
    rng, field, counts = np.random.default_rng(1), Field(0.0, 0.0, 3.0), set()
    x, y = field.cells(1201)
    beta, _ = in_chunks(traced, model, x, y)
    for source in rng.normal([0.03, -0.02], 0.12, (15, 2)):
        expected = brute_force(x, y, beta - source)
        images = image_positions(model, *source, field)
        found = np.array([(image.x, image.y) for image in images])
        assert len(found) == len(expected), source
        distance = np.hypot(*(found[:, None] - expected[None]).transpose(2, 0, 1))
        assert distance.min(axis=1).max() < 0.01
        counts.add(len(found))
    assert counts == {2, 4}


def test_parities_balance_inside_the_cut_also_next_to_a_caustic():
    model = lens()
    caustic = critical_curves(model, FIELD).tangential_caustics[0]
    toward = np.array([0.03, -0.02]) - caustic
    for nudge in (1e-4, 1e-2, -1e-4, -1e-2):
        for source in (caustic + nudge * toward)[::160]:
            images = image_positions(model, *source, FIELD)
            assert sum(image.parity for image in images) == 0
            assert len(images) in (2, 4)


def test_a_source_behind_the_middle_gives_a_ring_of_images():
    images = image_positions(sphere(), 0.0, 0.0, Field(0.1, -0.05, 12.0))
    radii = np.array([np.hypot(image.x, image.y) for image in images])
    np.testing.assert_allclose(radii, 1.0, atol=1e-5)


def test_no_images_where_there_are_none_in_the_field():
    assert image_positions(sphere(), 0.3, 0.0, Field(2.5, 2.5, 0.2)) == []


def test_flux_of_the_exponential_disk():
    disk = Exponential(center_x=0.2, center_y=0.1, e1=0.2, e2=-0.1, intensity=3.0, effective_radius=0.15)
    model = LensModel(light={}, mass={}, source={"disk": disk})
    b = 1.67834699
    expected = 3.0 * 2 * np.pi * 0.15**2 * np.exp(b) / b**2
    assert flux(model, bright_cells(model, FIELD)) == pytest.approx(expected, rel=1e-3)


def test_magnification_of_a_small_source_is_that_of_its_images():
    spot = Gaussian(center_x=0.4, center_y=0.0, e1=0.0, e2=0.0, intensity=2.0, sigma=0.02)
    model = sphere({"spot": spot})
    assert source_magnification(model, FIELD) == pytest.approx(2 / 0.4, rel=5e-3)
    assert source_magnification(unlensed(model), FIELD) == pytest.approx(1.0, abs=1e-12)


def test_one_compilation_for_any_number_of_points():
    model, before = lens(), None
    for number in (1, 17, CHUNK, CHUNK + 1):
        beta, a = in_chunks(traced, model, np.linspace(0.1, 1, number), 0.3)
        assert beta.shape == (number, 2) and a.shape == (number, 2, 2)
        before = before or traced.count()
        assert traced.count() == before
    assert in_chunks(traced, model, np.zeros(0), np.zeros(0))[0].shape == (0, 2)


def test_curves_may_be_asked_of_a_model_of_jax_numbers():
    model = jax.tree.map(jax.numpy.asarray, lens())
    assert einstein_radius(model, critical_curves(model, FIELD).main) > 1


def test_single_precision_is_refused():
    lens = LensModel(light={}, mass={"shear": Shear(gamma1=0.1, gamma2=0.0)}, source={})
    with jax.enable_x64(False):
        for ask in (lambda: magnification(lens, 0.5, 0.2), lambda: image_positions(lens, 0.1, 0.0, FIELD)):
            with pytest.raises(ModelError, match=r"double precision.* call lensfit\.setup\(\) first"):
                ask()
