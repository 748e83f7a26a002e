"""chi2 of visibilities with its gradient, through w_tilde and through NUFFTs: benchmarks/visibility_chi2.py [K]

Of an image, and of a lens model (SIE, shear, Sersic; 4 x 4 sub-pixels) in its parameters; N = 64 and 256 pixels a
side, K = 1e6 visibilities on tracks, against value and gradient through a NUFFT in JAX (nufftax), and of the image
through finufft too; and whether K = 1e4 or 1e7 changes the time. CPU time, medians.
"""

import sys

import finufft
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import nufftax  # noqa: E402
from w_tilde import NOISE, PIXEL, clocks, tracks  # noqa: E402

from lensfit.datasets import ARCSEC  # noqa: E402
from lensfit.likelihood.interferometer import InterferometerLikelihood  # noqa: E402
from lensfit.model import LensModel  # noqa: E402
from lensfit.operators.nufft import pixel_response  # noqa: E402
from lensfit.operators.w_tilde import Sums  # noqa: E402
from lensfit.profiles import SIE, Sersic, Shear  # noqa: E402

SUB_PIXELS = 4
MODEL = LensModel(
    light={},
    mass={"sie": SIE(center_x=0.05, center_y=0.02, e1=0.1, e2=0.05, einstein_radius=0.5),
          "shear": Shear(gamma1=0.03, gamma2=0.02)},
    source={"s": Sersic(center_x=0.1, center_y=0.0, e1=0.1, e2=0.1, intensity=1e-4, effective_radius=0.15,
                        sersic_index=1.2)},
)  # fmt: skip


def likelihood_of(count, n, pixel):
    return InterferometerLikelihood.of_sums(
        Sums.of(tracks(count, pixel=pixel), (n, n), pixel, sub_pixels=SUB_PIXELS), SUB_PIXELS
    )


def on_pixels(count, n, pixel):
    """u and v in radians a pixel, the visibilities, and what those of point-like pixels are multiplied by (K,)."""
    chunks, turn = list(tracks(count, pixel=pixel)), 2 * np.pi * pixel * ARCSEC
    u, v, values = (np.concatenate([getattr(c, name) for c in chunks]) for name in ("u", "v", "values"))
    shift = -0.5 if n % 2 == 0 else 0.0  # pixels lie half a pixel off the integers
    return u * turn, v * turn, values, np.exp(1j * turn * shift * (u + v)) / pixel_response(u, v, pixel, SUB_PIXELS)


def through_nufftax(u, v, values, factor):
    """chi2 of an image, for JAX to differentiate."""
    u, v, values, factor = (jnp.asarray(a) for a in (u, v, values, factor))

    def chi2(image):
        model = nufftax.nufft2d2(u, v, image.astype(complex), eps=1e-12, isign=-1) * factor
        left = (values - model) / NOISE
        return jnp.sum(left.real**2 + left.imag**2)

    return chi2


def through_finufft(u, v, values, factor, n):
    """chi2 of an image and its gradient with finufft's plans made before: the quickest that sees visibilities."""
    ahead, back = (finufft.Plan(k, (n, n), eps=1e-12, isign=sign) for k, sign in ((2, -1), (1, 1)))
    ahead.setpts(v, u)
    back.setpts(v, u)

    def both(image):
        left = values - ahead.execute(np.asarray(image, complex)) * factor
        return np.vdot(left, left).real / NOISE**2, back.execute(left * factor.conj()).real * (-2 / NOISE**2)

    return both


def run(function, *arguments):
    return jax.block_until_ready(function(*arguments))


def in_turns(function, trees, repeats):
    """Median CPU seconds of function(tree) for each, called in an order that changes every round."""
    rng, times = np.random.default_rng(0), [[] for _ in trees]
    for _ in range(repeats):
        for k in rng.permutation(len(trees)):
            times[k].append(clocks(lambda: run(function, trees[k]))[0])  # noqa: B023
    return [float(np.median(some)) for some in times]


def of_model(chi2_of_image):
    """chi2 of the lens model and its gradient in the parameters, as a function of the likelihood."""
    compiled = jax.jit(
        jax.value_and_grad(lambda model, likelihood: chi2_of_image(likelihood, likelihood.image(model)))
    )
    return lambda likelihood: compiled(MODEL, likelihood)


def main(count):
    for n in (64, 256):
        pixel = PIXEL * 256 / n / 1.3
        data = on_pixels(count, n, pixel)
        slow, finest = through_nufftax(*data), through_finufft(*data, n)
        likelihoods = [likelihood_of(k, n, pixel) for k in (count, 10**4, 10**7)]
        image = likelihoods[0].image(MODEL)
        compiled = jax.jit(lambda likelihood, image: jax.value_and_grad(likelihood.chi2)(image))
        theirs = jax.jit(jax.value_and_grad(slow))
        compare(
            f"N = {n}, K = {count:.0e}, of an image", likelihoods, 1000,
            lambda likelihood: compiled(likelihood, image),  # noqa: B023
            lambda _: theirs(image),  # noqa: B023
            lambda: finest(image),  # noqa: B023
        )  # fmt: skip
        compare(
            "    of a lens model with its parameters", likelihoods, 50,
            of_model(lambda likelihood, image: likelihood.chi2(image)),
            of_model(lambda _, image: slow(image)),  # noqa: B023
        )  # fmt: skip


def compare(what, likelihoods, repeats, ours, theirs, finest=None):
    """Print the time of `ours` of the first likelihood as a ratio to the others and to what sees visibilities."""
    (value, gradient), (expected, slope) = (run(f, likelihoods[0]) for f in (ours, theirs))
    reference, _ = clocks(lambda: run(theirs, likelihoods[0]), 3)
    seconds, few, many = in_turns(ours, likelihoods, repeats)
    print(
        f"{what}: {1e3 * seconds:.3f} ms, through nufftax {reference:.2f} s: {reference / seconds:.0f} times"
        f"; at K = 1e4 {few / seconds:.3f} and at 1e7 {many / seconds:.3f} of that time"
        f"; values differ by {abs(value / expected - 1):.1e}, gradients by {difference(gradient, slope):.1e}"
    )
    if finest:
        (_, slope), (reference, _) = finest(), clocks(finest, 5)
        print(
            f"    through finufft, no JAX: {reference:.3f} s: {reference / seconds:.0f} times, gradients differ by "
            f"{difference(gradient, slope):.1e}"
        )


def difference(tree, other):
    """Largest difference of two trees of numbers over the largest of them."""
    one, two = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(t)]) for t in (tree, other))
    return np.abs(one - two).max() / np.abs(two).max()


if __name__ == "__main__":
    main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 10**6)
