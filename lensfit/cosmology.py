"""Redshifts of lens and source and a cosmology: from angles to lengths, masses and velocities, by astropy.cosmology."""
from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lensfit.errors import DataError

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

DEFAULT = "Planck18"
"""The cosmology where none is named."""
FARTHEST = 1100.0
"""The largest redshift that is believed."""
ARCSEC = math.pi / 180 / 3600
"""In radians."""
LIGHT_SPEED = 299792.458
"""In km/s."""
FIELDS = ("redshift_lens", "redshift_source", "cosmology")
"""What a recipe, an info.json or a catalogue calls them."""
_FLAT = re.compile(r"H0\s*=\s*([\d.]+)\s*,\s*Om0\s*=\s*([\d.]+)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Redshifts:
    """Of the lens and the source, and the cosmology by its name; a redshift is None where it is not known.

    Attributes:
        lens, source: the redshifts.
        cosmology: of astropy.cosmology, as "Planck18" or "WMAP9", or "H0=70, Om0=0.3" of a flat universe with a
            cosmological constant (H0 in km/s/Mpc).
    """

    lens: float | None = None
    source: float | None = None
    cosmology: str = DEFAULT

    @classmethod
    def of(cls, lens: float | None = None, source: float | None = None, cosmology: str | None = None) -> Redshifts:
        """Checked: see the class.

        Args:
            lens, source: the redshifts, None where unknown.
            cosmology: by its name, None = Planck18.

        Raises:
            DataError: a redshift is no positive number, the source not behind the lens, or the cosmology is none.
        """
        made = cls(lens=_checked(lens, "lens"), source=_checked(source, "source"), cosmology=cosmology or DEFAULT)
        if made.lens is not None and made.source is not None and made.source <= made.lens:
            raise DataError(
                f"redshift_source={made.source:g} is not behind the lens at redshift_lens={made.lens:g}; "
                "give a larger one, or have they changed places?"
            )
        made.model  # noqa: B018 (says what is wrong)
        return made

    @classmethod
    def stated(cls, said: Mapping[str, Any]) -> Redshifts | None:
        """Of what is said by name; None where no redshift is.

        Args:
            said: numbers and words by the names in `FIELDS`; others are left alone.

        Raises:
            DataError: as `of`.
        """
        given = {name: said.get(name) for name in FIELDS}
        if given["redshift_lens"] is None and given["redshift_source"] is None:
            if given["cosmology"] is not None:
                cls.of(cosmology=given["cosmology"])
            return None
        return cls.of(given["redshift_lens"], given["redshift_source"], given["cosmology"])

    def document(self) -> dict[str, Any]:
        """By the names in `FIELDS`."""
        return dict(zip(FIELDS, (self.lens, self.source, self.cosmology), strict=True))

    def __str__(self) -> str:
        known = [f"z_{word} = {value:g}" for word, value in (("lens", self.lens), ("source", self.source))
                 if value is not None]  # fmt: skip
        return ", ".join([*known, self.cosmology])

    @cached_property
    def model(self) -> FLRW:
        """The cosmology. Raises DataError where none has its name."""
        from astropy import cosmology as models  # it takes long to load

        numbers = _FLAT.fullmatch(self.cosmology.strip())
        if numbers:
            hubble, matter = float(numbers[1]), float(numbers[2])
            if not (hubble > 0 and 0 < matter <= 1):
                raise DataError(f"cosmology={self.cosmology!r}: H0 must be above 0 and Om0 between 0 and 1")
            return models.FlatLambdaCDM(H0=hubble, Om0=matter)  # pyright: ignore[reportCallIssue]
        if self.cosmology not in models.available:
            near = difflib.get_close_matches(self.cosmology, models.available, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(models.available)}"
            raise DataError(
                f"cosmology={self.cosmology!r}: astropy.cosmology has none of this name; {hint} Or write it as "
                '"H0=70, Om0=0.3"'
            )
        return getattr(models, self.cosmology)

    # What they give, None where a redshift is missing

    @property
    def kpc_per_arcsec(self) -> float | None:
        """Kiloparsecs that an arcsec is at the lens."""
        return None if self.lens is None else _length(self.model, self.lens, "kpc")

    @property
    def pc_per_arcsec(self) -> float | None:
        """Parsecs that an arcsec is at the source."""
        return None if self.source is None else _length(self.model, self.source, "pc")

    @property
    def critical_surface_density(self) -> float | None:
        """Sigma_cr = c^2 D_s / (4 pi G D_d D_ds) [Msun / kpc^2], D the angular diameter distances."""
        if self.lens is None or self.source is None:
            return None
        from astropy import constants

        d, s, ds = self._distances()
        found: Any = constants.c**2 * s / (4 * math.pi * constants.G * d * ds)  # pyright: ignore[reportAttributeAccessIssue]
        return float(found.to_value("Msun / kpc2"))

    def mass(self, radius: float) -> float | None:
        """M = pi (D_d theta)^2 Sigma_cr [Msun]: projected, within an Einstein radius [arcsec]."""
        kpc, density = self.kpc_per_arcsec, self.critical_surface_density
        return None if kpc is None or density is None else math.pi * (kpc * radius) ** 2 * density

    def velocity_dispersion(self, radius: float) -> float | None:
        """sigma [km/s] of the isothermal sphere of a radius theta [arcsec]: theta = 4 pi (sigma / c)^2 D_ds / D_s."""
        if self.lens is None or self.source is None:
            return None
        _, s, ds = self._distances()
        ratio = float((s / ds).to_value(""))
        return LIGHT_SPEED * math.sqrt(radius * ARCSEC * ratio / (4 * math.pi))

    def _distances(self) -> tuple[Any, Any, Any]:
        """Angular diameter distances of the lens, of the source, and between them."""
        model: Any = self.model
        assert self.lens is not None and self.source is not None and model.is_flat  # as all with a name here are
        d, s = (model.comoving_distance(z) for z in (self.lens, self.source))
        return d / (1 + self.lens), s / (1 + self.source), (s - d) / (1 + self.source)


def _length(model: Any, redshift: float, unit: str) -> float:
    return float(model.angular_diameter_distance(redshift).to_value(unit)) * ARCSEC


def _checked(value: Any, whose: str) -> float | None:
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 < number < FARTHEST:
        raise DataError(f"redshift_{whose}={str(value)[:80]}: no redshift; give a number above 0, as 0.5")
    return number
