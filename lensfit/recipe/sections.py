"""The sections of a recipe beside the model: what was observed, how it is fitted, with what instrument."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from lensfit import instruments
from lensfit.datasets import read_parts
from lensfit.errors import ModelError
from lensfit.instruments import Instrument
from lensfit.recipe import _words
from lensfit.registry import fitters
from lensfit.standard import STANDARD, VISIBILITIES

S = TypeVar("S")
PRESETS = {"jwst_f150w": instruments.jwst_f150w}


def _path(value: Any, where: str, folder: Path) -> Path:
    return folder / _text(value, where, folder)


def _paths(value: Any, where: str, folder: Path) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise ModelError(f"{where}: {value!r} is no list; give [\"path\", ...]")
    return tuple(_path(item, where, folder) for item in value)


def _place(value: Any, where: str, folder: Path) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ModelError(f"{where}: {value!r} is no place; give [x, y] in arcsec")
    x, y = (_words.number(item, where) for item in value)
    return x, y


def _sign(value: Any, where: str, folder: Path) -> int:
    if value not in (-1, 1):
        raise ModelError(f"{where}: {value!r} is no sign; give -1 or 1")
    return value


def _boolean(value: Any, where: str, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise ModelError(f"{where}: {value!r} is neither true nor false")
    return value


def _text(value: Any, where: str, folder: Path) -> str:
    if not isinstance(value, str):
        raise ModelError(f"{where}: {value!r} is no text; put it in quotes")
    return value


def _number(value: Any, where: str, folder: Path) -> float:
    return _words.number(value, where)


def _integer(value: Any, where: str, folder: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ModelError(f"{where}: {value!r} is no whole number from 0 on")
    return value


def _one_of(*choices: str) -> Callable[[Any, str, Path], str]:
    def read(value: Any, where: str, folder: Path) -> str:
        if value not in choices:
            _words.unknown(where, "choice", value, choices)
        return value

    return read


def _fitter(value: Any, where: str, folder: Path) -> str:
    if value not in fitters():
        _words.unknown(where, "fitter", value, fitters())
    return value


def _settings(value: Any, where: str, folder: Path) -> dict[str, Any]:
    for key, item in _words.table(value, where).items():
        if not isinstance(item, (str, int, float)):
            raise ModelError(f"{where}.{key}: {item!r} is no setting; give a number, a text or true or false")
    return value


def _shape(value: Any, where: str, folder: Path) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ModelError(f"{where}: {value!r} is no shape; give [rows, columns] in pixels, as [150, 150]")
    rows, columns = (_integer(side, where, folder) for side in value)
    return rows, columns


def _psf(value: Any, where: str, folder: Path) -> Path | dict[str, float]:
    if isinstance(value, str):
        return folder / value
    for key in _words.table(value, where):
        if key not in ("fwhm", "size"):
            _words.unknown(where, "key", key, ("fwhm", "size"))
    if len(value) < 2:
        raise ModelError(f"{where}: give the path of a file, or {{fwhm = arcsec, size = pixels per side}}")
    return {"fwhm": _words.number(value["fwhm"], where), "size": _integer(value["size"], where, folder)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSection:
    """[data]: what `lensfit.read_imaging` or `read_interferometer` takes; None = not given.

    mask_radius: of the mask of an image [arcsec]. more: further visibilities of the same lens, fitted jointly.
    antenna_phases: fit them with the model.

    In a file, paths are relative to the folder that the recipe lies in.
    """

    path: Path | None = None
    noise: Path | None = None
    psf: Path | None = None
    mask: Path | None = None
    mask_radius: float | None = None
    pixel_scale: float | None = None
    nan: Literal["error", "mask"] = "error"
    more: tuple[Path, ...] = ()
    shape: tuple[int, int] | None = None
    origin: tuple[float, float] | None = None
    sign: Literal[-1, 1] | None = None
    east: Literal["left", "right"] | None = None
    wavelength: float | None = None
    primary_beam: float | None = None
    antenna_phases: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitSection:
    """[fit]: the fitter, its settings and its seed; `standard` names a standard model, in place of profiles.

    settings: the fitter's fields that are not as by default, as {nlive = 400}.
    source: "pixels" puts the source on pixels once the model is fitted; mesh: the fields of
    `lensfit.pixelised.mesh.Mesh` that are not as by default, as {pixels = 40}.
    """

    fitter: str = "staged"
    seed: int = 0
    settings: dict[str, Any] | None = None
    standard: str | None = None
    source: Literal["pixels"] | None = None
    mesh: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class InstrumentSection:
    """[instrument] of a simulation: shape [rows, columns] and the fields of `lensfit.instruments.Instrument`.

    psf is a file or {fwhm = arcsec, size = pixels per side} of a Gaussian. `preset = "jwst_f150w"` gives all
    but the shape; what stands beside it takes precedence.
    """

    shape: tuple[int, int] | None = None
    preset: str | None = None
    pixel_scale: float | None = None
    psf: Path | dict[str, float] | None = None
    exposure_time: float | None = None
    gain: float | None = None
    sky: float | None = None
    read_noise: float | None = None
    unit: str | None = None

    def instrument(self) -> Instrument:
        """The instrument.

        Raises:
            ModelError: something is missing. DataError: the file of the PSF cannot be used.
        """
        names = [f.name for f in dataclasses.fields(Instrument)]
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        known = vars(PRESETS[self.preset]()) if self.preset else {}
        missing = [name for name in names if name not in known | given]
        if missing:
            raise ModelError(f"instrument: no {', '.join(missing)}; give them, or a preset")
        made = known | given
        if isinstance(made["psf"], dict):
            fwhm, size = made["psf"]["fwhm"], int(made["psf"]["size"])
            made["psf"] = instruments.gaussian_psf(fwhm, made["pixel_scale"], size)
        elif isinstance(made["psf"], Path):
            made["psf"] = _psf_of_file(made["psf"])
        return Instrument(**made)


def _psf_of_file(path: Path) -> np.ndarray:
    psf = np.asarray(read_parts(path, "psf")["psf"].values, float)
    return psf / psf.sum()


Reader = Callable[[Any, str, Path], Any]
READERS: dict[type, dict[str, Reader]] = {
    DataSection: {
        "path": _path,
        "noise": _path,
        "psf": _path,
        "mask": _path,
        "mask_radius": _number,
        "pixel_scale": _number,
        "nan": _one_of("error", "mask"),
        "more": _paths,
        "shape": _shape,
        "origin": _place,
        "sign": _sign,
        "east": _one_of("left", "right"),
        "wavelength": _number,
        "primary_beam": _number,
        "antenna_phases": _boolean,
    },
    FitSection: {
        "fitter": _fitter,
        "seed": _integer,
        "settings": _settings,
        "standard": _one_of(*STANDARD, *VISIBILITIES),
        "source": _one_of("pixels"),
        "mesh": _settings,
    },
    InstrumentSection: {
        "shape": _shape,
        "preset": _one_of(*PRESETS),
        "pixel_scale": _number,
        "psf": _psf,
        "exposure_time": _number,
        "gain": _number,
        "sky": _number,
        "read_noise": _number,
        "unit": _text,
    },
}


def read_section(kind: type[S], content: dict[str, Any], name: str, folder: Path) -> S:
    """A section from its table; paths in it are relative to the folder."""
    values = _words.table(content.get(name, {}), name)
    readers = READERS[kind]
    for key in values:
        if key not in readers:
            _words.unknown(name, "key", key, readers)
    return kind(**{key: readers[key](value, f"{name}.{key}", folder) for key, value in values.items()})
