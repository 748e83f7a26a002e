"""Each regularisation: its matrix written plainly, its ln det, its derivatives, and what it refuses."""

import dataclasses

import dense
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gamma, kv

from lensfit.errors import ModelError
from lensfit.inversion.regularisation import FAINTEST, check_source, regularisation

N = 6
REFERENCE = np.random.default_rng(0).uniform(-0.2, 3.0, (N, N))
KINDS = {
    "gradient": {}, "curvature": {}, "matern": {"length": 0.21}, "adaptive": {"contrast": 0.7, "reference": REFERENCE},
}
MOVING = [(k, n) for k, more in KINDS.items() for n in ("strength", "half_width", *more) if n != "reference"]


def source_of(kind, **changes):
    return dense.pixel_source(regularisation=kind, **KINDS[kind] | changes)


def matrix_of(source):
    """lambda C by sums over neighbours, or by the textbook's covariance."""
    size = N * N
    if source.regularisation == "matern":
        y, x = np.divmod(np.arange(size), N)
        scaled = np.sqrt(3) * np.hypot(x[:, None] - x, y[:, None] - y) * 2 * source.half_width / (N - 1) / source.length
        scaled[scaled == 0] = 1e-12
        covariance = 2**-0.5 / gamma(1.5) * scaled**1.5 * kv(1.5, scaled)
        matrix = np.linalg.inv(covariance)
    else:
        matrix = dense.gradient_matrix(N)
    if source.regularisation == "curvature":
        matrix = matrix @ matrix
    if source.regularisation == "adaptive":
        clipped = np.maximum(REFERENCE, 0) / REFERENCE.max()
        bright = np.pad(np.sqrt(clipped**2 + FAINTEST**2), 1, mode="edge")
        matrix = dense.gradient_matrix(
            N, lambda a, b, c, d: (0.5 * (bright[a + 1, b + 1] + bright[c + 1, d + 1])) ** (-2 * source.contrast)
        )
    return 10**source.strength * matrix


def whole(source):
    return np.asarray(regularisation(source).plus(jnp.zeros((N * N, N * N))))


@pytest.mark.parametrize("kind", KINDS)
def test_matrix_and_determinant(kind):
    source = source_of(kind)
    expected, made = matrix_of(source), regularisation(source)
    np.testing.assert_allclose(whole(source), expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    sign, log_det = np.linalg.slogdet(expected)
    assert sign == 1 and np.linalg.eigvalsh(expected)[0] > 0
    np.testing.assert_allclose(made.log_det, log_det, rtol=1e-10)
    s = np.random.default_rng(1).standard_normal(N * N)
    np.testing.assert_allclose(made.penalty(s), s @ expected @ s, rtol=1e-9)
    larger = np.ones((N * N + 2, N * N + 2))
    np.testing.assert_allclose(made.plus(jnp.asarray(larger))[: N * N, : N * N], 1 + expected, rtol=1e-6)
    np.testing.assert_array_equal(made.plus(jnp.asarray(larger))[N * N :], 1.0)


@pytest.mark.parametrize(("kind", "name"), MOVING)
def test_derivatives(kind, name):
    """Of penalty and ln det by every number, against central differences."""
    s = np.random.default_rng(1).standard_normal(N * N)

    @jax.jit
    def both(value):
        made = regularisation(dataclasses.replace(source_of(kind), **{name: value}))
        return jnp.stack([made.penalty(s), made.log_det])

    at = float(getattr(source_of(kind), name))
    slope = (both(at + 1e-5) - both(at - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jacfwd(both)(at), slope, rtol=1e-6, atol=1e-6)


def test_contrast_zero_is_the_gradient():
    np.testing.assert_allclose(whole(source_of("adaptive", contrast=0.0)), whole(source_of("gradient")), rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regularisation": "hope"}, "no regularisation 'hope'"),
        ({"regularisation": "matern"}, "needs a length"),
        ({"length": 0.1}, "has no length"),
        ({"regularisation": "adaptive", "contrast": 0.5}, "needs a reference"),
        ({"regularisation": "adaptive", "contrast": 0.5, "reference": np.ones((2, 2))}, "shape"),
        ({"pixels": 1}, "pixels 1"),
        ({"pixels": 8.0}, "pixels 8.0"),
        ({"order": 4}, "order 4"),
        ({"positive": 1.0}, "positive 1.0"),
    ],
)
def test_refused(changes, message):
    with pytest.raises(ModelError, match=rf"source\.arc: .*{message}"):
        check_source(dense.pixel_source(**changes), "source.arc")
