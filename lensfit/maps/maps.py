"""Maps of a model of numbers: mass and light at the pixel centres of a grid, the source as it is without the lens."""
from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.datasets.cutout import Frame
from lensfit.errors import ModelError
from lensfit.lensing import (
    CriticalCurves,
    Field,
    centers,
    critical_curves,
    in_chunks,
    source_field,
    traced,
    within_mesh,
)
from lensfit.likelihood.reconstruction import brightness_of
from lensfit.maps.map_files import maps_file
from lensfit.maps.regions import regions_text
from lensfit.maps.sky_grid import on_grid
from lensfit.model import LensModel
from lensfit.profiles import MassProfile
from lensfit.whole_files import written
from lensfit.words import no_such

SOURCE_PIXELS = 200
"""Along a side of the map of the source where no grid of it is asked for."""


class OfProfiles(dict[str, np.ndarray]):
    """Maps by the names of their profiles; of a name that is none the error says which is nearest."""

    def __missing__(self, name: str) -> np.ndarray:
        raise KeyError(no_such(name, "profile of these maps", self))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Maps:
    """Maps of a model of numbers, each computed when it is first asked for; arrays are `[row, column]`.

    All values are those at the centres of the pixels, before any instrument: no PSF, no primary beam, no sky.

    Attributes:
        model: what is mapped.
        frame: where the pixels of the image plane lie, with celestial coordinates where the data have them.
        source_frame: where those of the source plane lie; its celestial coordinates are those of the image plane, as
            of a source seen without a lens.
        unit: of brightness, per pixel of the data where that unit says so; None if unknown.
        coefficients: (n, n) of the splines of a source on pixels, else None.
    """

    model: LensModel
    frame: Frame
    source_frame: Frame
    unit: str | None = None
    coefficients: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        model: LensModel,
        *,
        shape: Any = None,
        pixel_scale: float | None = None,
        center: tuple[float, float] | None = None,
        source: dict[str, Any] | None = None,
        frame: Frame | None = None,
        unit: str | None = None,
        coefficients: np.ndarray | None = None,
    ) -> Maps:
        """Of a model of numbers, as `FitResult.model`, on a grid.

        Args:
            model: lens light, mass and source.
            shape: (H, W) of the image plane, or a number for both; pixel_scale: arcsec per pixel; center: (x, y)
                [arcsec] of the middle, by default (0, 0). Without a `frame` shape and scale are needed.
            source: the same of the source plane, as {"shape": 200, "pixel_scale": 0.01, "center": (0.1, 0.0)}; by
                default 200 x 200 pixels about the source and the caustics.
            frame: the grid from which what is not given is taken, with celestial coordinates.
            unit: of brightness. coefficients: of a source on pixels.

        Raises:
            ModelError: the model has no mass, holds priors, or has an alignment. DataError: the grid is none.
        """
        if not isinstance(model, LensModel) or any(not isinstance(v, (int, float, np.ndarray, np.generic, jax.Array))
                                                   for v in jax.tree.leaves(model)):  # fmt: skip
            raise ModelError("maps are of a LensModel of numbers: give the model of a result, as result.model")
        if model.alignment is not None:
            raise ModelError(
                "maps are drawn in the frame of the mass, and these data have one of their own: take the maps of the "
                "data that have no alignment, or leave it out of the model"
            )
        if frame is None:
            if shape is None or pixel_scale is None:
                raise ModelError("maps of a model alone: give shape= (H, W) and pixel_scale= [arcsec]")
            frame = Frame(shape=(1, 1), pixel_scale=1.0, origin=(0.0, 0.0), wcs=None)
        made = on_grid(frame, shape, pixel_scale, center)
        wanted = dict(source or {})
        if not {"shape", "pixel_scale", "center"} >= wanted.keys():
            raise ModelError(f"source={source!r}: give a mapping with shape, pixel_scale and center alone")
        if wanted.keys() != {"shape", "pixel_scale", "center"}:
            wanted = _source_grid(model, _field(made)) | wanted
        return cls(model=model, frame=made, source_frame=on_grid(made, **wanted), unit=unit, coefficients=coefficients)

    def __repr__(self) -> str:
        (rows, columns), (high, wide) = self.frame.shape, self.source_frame.shape
        return (
            f"<Maps: {rows} x {columns} pixels of {self.frame.pixel_scale:.6g} arcsec, source {high} x {wide} of "
            f"{self.source_frame.pixel_scale:.4g}; mass {', '.join(self.model.mass) or 'none'}; light "
            f"{', '.join(self.model.light) or 'none'}; source {', '.join(self.model.source) or 'none'}>"
        )

    # Mass

    @cached_property
    def _traced(self) -> tuple[np.ndarray, np.ndarray]:
        """beta (H, W, 2) and A (H, W, 2, 2)."""
        return in_chunks(traced, self.model.only(), *_points(self.frame))

    @property
    def deflection(self) -> np.ndarray:
        """(2, H, W) alpha_x and alpha_y [arcsec]."""
        return np.stack(_points(self.frame)) - np.moveaxis(self._traced[0], -1, 0)

    @cached_property
    def convergence(self) -> np.ndarray:
        """(H, W) kappa: the surface density over the critical one. Raises ModelError where a mass does not tell it."""
        return self._told("convergence")

    @cached_property
    def potential(self) -> np.ndarray:
        """(H, W) psi [arcsec^2], whose gradient is the deflection; a constant is left open.

        Raises ModelError where a mass does not tell it.
        """
        return self._told("potential")

    def has(self, what: str) -> bool:
        """Whether the classes of all masses define their "convergence" or "potential"."""
        return not self._silent(what)

    def _silent(self, what: str) -> list[str]:
        bare = getattr(MassProfile, what)
        return [name for name, profile in self.model.mass.items() if getattr(type(profile), what) is bare]

    def _told(self, what: str) -> np.ndarray:
        for name in self._silent(what):
            kind = type(self.model.mass[name]).__name__
            raise ModelError(f"mass.{name}: its class {kind} has no {what}; define it there to map it")
        return in_chunks(_OF_MASS[what], self.model.only(), *_points(self.frame))

    @property
    def shear(self) -> np.ndarray:
        """(2, H, W) gamma_1 = (psi_xx - psi_yy) / 2 and gamma_2 = psi_xy."""
        a = self._traced[1]
        return np.stack([0.5 * (a[..., 1, 1] - a[..., 0, 0]), -0.5 * (a[..., 0, 1] + a[..., 1, 0])])

    @property
    def magnification(self) -> np.ndarray:
        """(H, W) mu = 1 / det A; its sign is the parity of an image there."""
        a = self._traced[1]
        with np.errstate(divide="ignore"):
            return 1 / (a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0])

    @cached_property
    def curves(self) -> CriticalCurves:
        """Critical curves inside the frame, and their caustics."""
        return critical_curves(self.model, _field(self.frame))

    # Light

    @cached_property
    def light(self) -> dict[str, np.ndarray]:
        """(H, W) of each profile of the lens light, by its name."""
        light = LensModel(light=self.model.light, mass={}, source={})
        return OfProfiles(in_chunks(_lights, light, *_points(self.frame)))

    @cached_property
    def lensed_source(self) -> dict[str, np.ndarray]:
        """(H, W) of each profile of the source as the lens shows it, by its name."""
        beta = self._traced[0]
        return self._source_at(beta[..., 0], beta[..., 1])

    @cached_property
    def source(self) -> dict[str, np.ndarray]:
        """(h, w) of each profile of the source without the lens, on `source_frame`; NaN beyond a mesh."""
        x, y = _points(self.source_frame)
        found = self._source_at(x, y)
        for name, mesh in self.model.pixels().items():
            found[name] = np.where(within_mesh(mesh, x, y), found[name], np.nan)
        return found

    def _source_at(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Brightness of each profile of the source at points (...) of its plane [arcsec]."""
        profiles: dict[str, Any] = dict(self.model.without_pixels().source)
        found = OfProfiles(in_chunks(_lights, LensModel(light=profiles, mass={}, source={}), x, y))
        for name, mesh in self.model.pixels().items():
            if self.coefficients is None:
                raise ModelError(
                    f"source.{name} is on pixels, and its brightness is no number of the model: take the maps of the "
                    "analysis, or give coefficients= of the reconstruction"
                )
            coefficients = jnp.asarray(np.asarray(self.coefficients, float))
            found[name] = np.asarray(brightness_of(mesh, coefficients, jnp.asarray(x), jnp.asarray(y)))
        return found

    # Kept

    def write(self, path: str | Path) -> Path:
        """Write all maps as extensions of a FITS file, each with its celestial coordinates; give its path.

        Raises:
            DataError: the file cannot be written.
        """
        with written(Path(path)) as temporary:
            maps_file(self).writeto(temporary, overwrite=True)
        return Path(path)

    def write_regions(self, path: str | Path, plane: str = "image") -> Path:
        """Write curves as a DS9 region file, in ICRS where the grid has celestial coordinates, else in pixels.

        Args:
            path: of the file, `.reg` by habit. plane: "image" for critical curves, "source" for caustics.

        Raises:
            ModelError: the plane is none of the two. DataError: the file cannot be written.
        """
        text = regions_text(self, plane)
        with written(Path(path)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return Path(path)


_OF_MASS = {"convergence": compiled(LensModel.convergence), "potential": compiled(LensModel.potential)}


@compiled
def _lights(model: LensModel, x: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
    """Brightness (N,) of each profile of the light at the points x, y (N,)."""
    return {name: profile.brightness(x, y) for name, profile in sorted(model.light.items())}


def _points(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """x, y (H, W) of the pixel centres [arcsec]."""
    across, up = np.meshgrid(*frame.axes())
    return across, up


def _field(frame: Frame) -> Field:
    """The smallest square about a frame."""
    return Field(*frame.origin, 0.5 * max(frame.shape) * frame.pixel_scale)


def _source_grid(model: LensModel, field: Field) -> dict[str, Any]:
    """The grid of the source where none is asked for: about its light, or its mesh, and the tangential caustics."""
    found = source_field(model, critical_curves(model, field), field) if centers(model.source) else field
    scale = 2 * found.half_width / SOURCE_PIXELS
    return {"shape": SOURCE_PIXELS, "pixel_scale": scale, "center": (found.x, found.y)}
