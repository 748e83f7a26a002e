"""A table of visibilities with their noise, in the house's frame, checked once at the door."""

import hashlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lensfit.datasets import _visibility_checks as _checks
from lensfit.datasets._checks import Source
from lensfit.datasets._visibility_checks import East, NanRows, Sign


@dataclass(frozen=True, kw_only=True, eq=False)
class Visibilities:
    """V_k = sum_m I_m exp(-2 pi i (u_k x_m + v_k y_m)) with x to the right, y up, both in radians.

    Made by `from_arrays`; every row is finite and has noise > 0. Arrays (K,) are read-only and native.

    Attributes:
        u, v: baselines in wavelengths.
        values: complex visibilities, Jy.
        sigma_re, sigma_im: standard deviations of their real and imaginary parts, Jy.
        antenna1, antenna2: numbers of the two antennas, None if unknown.
        time: when it was observed, in the file's unit, None if unknown.
        track: number of the observing run, None if unknown.
        notes: what was done to the input, in plain words.
        sources: (role, path, sha256) of each file read.
    """

    u: np.ndarray
    v: np.ndarray
    values: np.ndarray
    sigma_re: np.ndarray
    sigma_im: np.ndarray
    antenna1: np.ndarray | None = None
    antenna2: np.ndarray | None = None
    time: np.ndarray | None = None
    track: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @classmethod
    def from_arrays(
        cls,
        u: Any,
        v: Any,
        values: Any,
        noise: Any = None,
        *,
        sign: Sign,
        east: East,
        weights: Any = None,
        wavelength: float | None = None,
        flags: Any = None,
        antenna1: Any = None,
        antenna2: Any = None,
        time: Any = None,
        track: Any = None,
        nan: NanRows = "error",
        notes: tuple[str, ...] = (),
        sources: tuple[Source, ...] = (),
    ) -> Self:
        """Check everything, leave out what is flagged or has no weight, and turn u, v into the house's frame.

        Args:
            u, v: (K,) in wavelengths, or in metres where `wavelength` is given; u counts along l (East), v
                along m (North).
            values: (K,) complex or (K, 2) real and imaginary parts, Jy.
            noise: standard deviation of real and imaginary part, Jy: (K,) or one number for both, or (K,)
                complex or (K, 2) for each; >= 1e8 (also inf) means no weight.
            sign: of the data's Fourier kernel, V = sum I exp(sign 2 pi i (u l + v m)): -1 in textbooks,
                UVFITS and PyAutoLens, +1 in CASA's measurement sets and visilens.
            east: the side to which l (East) counts in the image: "left" as the sky is seen with North up,
                "right" where u is to go with x as it stands (PyAutoLens).
            weights: instead of noise, 1/sigma^2 of real and imaginary part alike; <= 0 means no weight.
            wavelength: metres in a wavelength, if u and v are in metres; 1e-3 if they are in kilo-wavelengths.
            flags: (K,) anything but 0 = left out.
            antenna1, antenna2, time, track: (K,), see the class; notes, sources too.
            nan: "error" refuses NaN and inf in rows that are not left out, "drop" leaves these rows out.

        Raises:
            DataError: anything that a fit could not trust; the message says what, where and the way on.
        """
        columns = _checks.columns(u, v, values, noise, weights, sources)
        extra = {"antenna1": antenna1, "antenna2": antenna2, "time": time, "track": track}
        labels = _checks.labels(extra, len(columns["u"]), sources)
        keep, remarks = _checks.rows_to_keep(columns, flags, nan, sources)
        factor_u, factor_v, frame = _checks.frame(sign, east, wavelength)
        kept = {name: _checks.kept(column, keep) for name, column in {**columns, **labels}.items()}
        kept["u"] *= factor_u
        kept["v"] *= factor_v
        if np.array_equal(kept["sigma_re"], kept["sigma_im"]):
            kept["sigma_im"] = kept["sigma_re"]
        for column in kept.values():
            column.flags.writeable = False
        return cls(**kept, notes=(*notes, *frame, *remarks), sources=sources)

    def __len__(self) -> int:
        return len(self.u)

    @property
    def longest(self) -> float:
        """The longest baseline in wavelengths."""
        return float(np.hypot(self.u, self.v).max())

    @property
    def hash(self) -> str:
        """sha256 over u, v, values and noise."""
        digest = hashlib.sha256()
        for column in (self.u, self.v, self.values, self.sigma_re, self.sigma_im):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()
