"""Products with w_tilde by FFT: nothing of size M x M, nothing that grows with the visibilities.

And the non-negative image that they lead to: where the emission is, before any model is known.
"""
from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero
from scipy.fft import next_fast_len

from lensfit.errors import ModelError
from lensfit.pytree import pytree, replace, static

STEPS = 200
"""Of the search for the non-negative image; stopping early leaves the noise alone."""
FAINT = 0.1
"""Share of the dirty image's peak that is taken for noise and sidelobes where a lens is looked for."""


@pytree
class WTilde:
    """w_tilde of images (H, W) as its Fourier transform on a padded grid (P, Q) with P >= 2H-1, Q >= 2W-1.

    Spectra lie transposed, (Q//2 + 1, P). `toeplitz` is real since w_compact is even; `hankel` is None where
    real and imaginary noise are equal. `parseval` (Q//2 + 1, 1) counts each of them as often as it stands for
    another one, over P Q. `removed` (L, H, W) are images r: the matrix is w_tilde - sum r r^T, of data from
    which what those images see is projected out (see `lensfit.likelihood.calibration`).
    """

    toeplitz: jax.Array
    hankel: jax.Array | None
    parseval: jax.Array
    removed: jax.Array
    shape: tuple[int, int] = static()
    padded: tuple[int, int] = static()

    @classmethod
    def of(cls, w_compact: np.ndarray, h_compact: np.ndarray | None = None) -> WTilde:
        """From the distinct values of w_tilde, (2H-1, 2W-1) each, see `lensfit.operators.w_tilde`."""
        h, w = ((n + 1) // 2 for n in w_compact.shape)
        padded = tuple(cast(int, next_fast_len(n, real=True)) for n in w_compact.shape)
        wrapped = np.zeros(padded)
        wrapped[: 2 * h - 1, : 2 * w - 1] = w_compact
        wrapped = np.roll(wrapped, (1 - h, 1 - w), (0, 1))
        count = np.full(padded[1] // 2 + 1, 2.0)
        count[0] = 1.0
        if padded[1] % 2 == 0:
            count[-1] = 1.0
        return cls(
            toeplitz=jnp.asarray(np.fft.rfft2(wrapped).real.T.copy()),
            hankel=None if h_compact is None else jnp.asarray(np.fft.rfft2(h_compact, padded).T.copy()),
            parseval=jnp.asarray(count[:, None] / (padded[0] * padded[1])),
            removed=jnp.zeros((0, h, w)),
            shape=(h, w),
            padded=(padded[0], padded[1]),
        )

    def binned(self) -> WTilde:
        """w_tilde of images whose pixels are 2x2 of these, half of each side: a pixel's flux is spread over the four.

        Raises:
            ModelError: a side of the image is odd.
        """
        h, w = self.shape
        if h % 2 or w % 2:
            raise ModelError(f"an image of {h} x {w} pixels cannot be binned 2x2: give even sides")
        w_compact, h_compact = self.distinct()
        made = WTilde.of(_pairs(w_compact), None if h_compact is None else _pairs(h_compact))
        return replace(made, removed=self.removed.reshape(-1, h // 2, 2, w // 2, 2).mean((2, 4)))

    def distinct(self) -> tuple[np.ndarray, np.ndarray | None]:
        """What it was made of: w_compact, and h_compact or None."""
        h, w = self.shape
        part = slice(2 * h - 1), slice(2 * w - 1)
        periodic = np.roll(np.fft.irfft2(np.asarray(self.toeplitz).T, self.padded), (h - 1, w - 1), (0, 1))
        if self.hankel is None:
            return periodic[part], None
        return periodic[part], np.fft.irfft2(np.asarray(self.hankel).T, self.padded)[part]

    def diagonal(self) -> jax.Array:
        """(H, W) of each pixel with itself: the variance of the dirty image."""
        w_compact, h_compact = self.distinct()
        same = w_compact[self.shape[0] - 1, self.shape[1] - 1] + (0.0 if h_compact is None else h_compact[::2, ::2])
        return jnp.broadcast_to(same, self.shape) - jnp.sum(self.removed**2, 0)

    def spectrum(self, images: jax.Array) -> jax.Array:
        """Transform of images (..., H, W): first along the rows that are there, then along all columns."""
        rows = jnp.fft.rfft(images, self.padded[1], axis=-1)
        return jnp.fft.fft(jnp.swapaxes(rows, -1, -2), self.padded[0], axis=-1)

    def times(self, spectrum: jax.Array) -> jax.Array:
        """Spectrum of w_tilde s from that of s."""
        product = spectrum * self.toeplitz
        return product if self.hankel is None else product + jnp.conj(spectrum) * self.hankel

    def image(self, spectrum: jax.Array) -> jax.Array:
        """Images (..., H, W) of a spectrum, the padding cut off."""
        columns = jnp.fft.ifft(spectrum, axis=-1)[..., : self.shape[0]]
        return jnp.fft.irfft(jnp.swapaxes(columns, -1, -2), self.padded[1], axis=-1)[..., : self.shape[1]]

    def apply(self, images: jax.Array) -> jax.Array:
        """w_tilde s for images s (..., H, W)."""
        seen = self._seen(images)
        return self.image(self.times(self.spectrum(images))) - jnp.tensordot(seen, self.removed, 1)

    def gram(self, images: jax.Array) -> jax.Array:
        """s_i^T w_tilde s_j (K, K) of images (K, H, W), one transform each."""
        spectra = self.spectrum(images)
        left, seen = _real(spectra * self.parseval), self._seen(images)
        return left @ _real(self.times(spectra)).T - seen @ seen.T

    def _seen(self, images: jax.Array) -> jax.Array:
        """(..., L) scalar products of images (..., H, W) with those that are removed."""
        return jnp.tensordot(images, self.removed, ((-2, -1), (1, 2)))


def _pairs(values: np.ndarray) -> np.ndarray:
    """Means over the pairs of fine pixels that make a pair of coarse ones: (4n - 1, 4m - 1) to (2n - 1, 2m - 1).

    Along each axis the two pairs of equal members lie between the two of neighbours.
    """
    for _ in range(2):
        values = (values[:-2:2] + 2 * values[1:-1:2] + values[2::2]).T / 4
    return values


def _real(spectra: jax.Array) -> jax.Array:
    """Real and imaginary parts (K, ...) side by side."""
    flat = spectra.reshape(spectra.shape[0], -1)
    return jnp.concatenate([flat.real, flat.imag], -1)


@jax.custom_jvp
def quadratic_form(image: jax.Array, w_tilde: WTilde) -> jax.Array:
    """s^T w_tilde s of an image (H, W): one transform, by Parseval. Its gradient 2 w_tilde s takes a second."""
    seen = w_tilde._seen(image)
    return _form(w_tilde.spectrum(image), w_tilde) - seen @ seen


def _form(spectrum: jax.Array, w_tilde: WTilde) -> jax.Array:
    power = (spectrum.real**2 + spectrum.imag**2) * w_tilde.toeplitz
    if w_tilde.hankel is not None:
        power = power + (jnp.conj(spectrum) ** 2 * w_tilde.hankel).real
    return jnp.sum(power * w_tilde.parseval)


def _derivative(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    image, w_tilde = primals
    if not all(isinstance(t, SymbolicZero) for t in jax.tree.leaves(tangents[1], is_leaf=_is_zero)):
        raise ModelError("w_tilde is data: differentiate with respect to the image or the model")
    spectrum, seen = w_tilde.spectrum(image), w_tilde._seen(image)
    gradient = 2 * (w_tilde.image(w_tilde.times(spectrum)) - jnp.tensordot(seen, w_tilde.removed, 1))
    value = _form(spectrum, w_tilde) - seen @ seen
    if isinstance(tangents[0], SymbolicZero):
        return value, jnp.zeros_like(value)
    return value, jnp.sum(gradient * tangents[0])


def _is_zero(leaf: Any) -> bool:
    return isinstance(leaf, SymbolicZero)


quadratic_form.defjvp(_derivative, symbolic_zeros=True)


def non_negative_image(
    w_tilde: WTilde, dirty: jax.Array, response: jax.Array, share: float, steps: int = STEPS
) -> jax.Array:
    """Image s >= 0 (H, W) [Jy/pixel] near the least s^T w_tilde s - 2 s^T (d - p), as the antennas see it.

    The price p of flux is `share` of the peak of d over the `response` (H, W), the primary beam: it keeps noise
    and sidelobes dark. Some steps of FISTA (Beck & Teboulle 2009) from zero; stopping early leaves the noise alone.
    """
    response = response / jnp.max(response)
    left = dirty - share * jnp.max(dirty * response) / jnp.maximum(response, 0.01)
    slope = 1 / jnp.max(jnp.abs(w_tilde.toeplitz))

    def step(_: int, state: Any) -> Any:
        image, ahead, t = state
        new = jnp.maximum(ahead - slope * (w_tilde.apply(ahead) - left), 0.0)
        later = 0.5 * (1 + jnp.sqrt(1 + 4 * t * t))
        return new, new + (t - 1) / later * (new - image), later

    zero = jnp.zeros_like(dirty)
    return lax.fori_loop(0, steps, step, (zero, zero, jnp.ones(())))[0]
