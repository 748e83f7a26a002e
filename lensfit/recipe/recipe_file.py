"""The file of a recipe: model, data, fit and instrument, read and written."""
from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from lensfit import instruments, names
from lensfit.datasets import read_psf
from lensfit.errors import ModelError
from lensfit.instruments import Instrument
from lensfit.model import AnyModel
from lensfit.names import (
    IMAGE_MODELS,
    MASK_MEANINGS,
    MASSES,
    NAN_POLICIES,
    NOISE_MEANINGS,
    SEVERAL_TAKEN,
    SIDES,
    SOURCES,
    STRUCTURES,
    VISIBILITY_MODELS,
    East,
    MaskIs,
    MassModel,
    NanPolicy,
    NoiseIs,
    NoiseScale,
    Sign,
    SourceModel,
    Structure,
)
from lensfit.outside import text_of, unreadable
from lensfit.recipe import values
from lensfit.recipe.model_reader import OF_MODEL, read_model
from lensfit.recipe.model_writer import header, line, model_lines
from lensfit.registry import fitters
from lensfit.whole_files import replacing

S = TypeVar("S")
LONGEST = 2**21
"""Bytes of the longest recipe."""
MANY_PARTS = re.compile(r"""(?:\.[ \t]*(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*){40}""")
OF_STANDARD = ("standard", "mass", "light_bands", "source_bands")
"""What [fit] says of a standard model."""
PRESETS = {name: getattr(instruments, name) for name in names.PRESETS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSection:
    """[data]: what `lensfit.read_imaging` or `read_interferometer` takes; None = not given.

    In a file, paths are relative to the folder that the recipe lies in.

    Attributes:
        path: of the data, file or folder.
        noise, psf, mask, mask_is, plane, center, center_sky, cutout, mask_radius, psf_center, noise_is: of images, see
            `lensfit.read_imaging`.
        galaxies, zero_point: of images, see `lensfit.read_imaging`.
        pixel_scale, nan, noise_scale: of both, see there and `lensfit.read_interferometer`.
        shape, origin, sign, east, wavelength, primary_beam, field: of visibilities, see the latter.
        more: further visibilities of the same lens, fitted jointly.
        antenna_phases: fit them with the model.
        redshift_lens, redshift_source, cosmology: see `lensfit.cosmology.Redshifts`.
    """

    path: Path | None = None
    noise: Path | None = None
    psf: Path | None = None
    mask: Path | None = None
    mask_is: MaskIs | None = None
    plane: int | None = None
    center: tuple[float, float] | None = None
    center_sky: tuple[float, float] | None = None
    cutout: float | None = None
    mask_radius: float | None = None
    pixel_scale: float | None = None
    nan: NanPolicy = "error"
    psf_center: bool | None = None
    noise_is: NoiseIs | None = None
    more: tuple[Path, ...] = ()
    shape: tuple[int, int] | None = None
    origin: tuple[float, float] | None = None
    sign: Sign | None = None
    east: East | None = None
    wavelength: float | None = None
    primary_beam: float | None = None
    field: str | None = None
    noise_scale: NoiseScale | None = None
    galaxies: tuple[str, ...] | None = None
    zero_point: float | None = None
    redshift_lens: float | None = None
    redshift_source: float | None = None
    cosmology: str | None = None
    antenna_phases: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitSection:
    """[fit]: the fitter, its settings and its seed; `standard` names a standard model, in place of profiles, `mass` its
    main mass, and `light_bands` and `source_bands` the structure of lens light and source in several bands.

    settings: the fitter's fields that are not as by default, as {nlive = 400}.
    source: "auto" gives it what the data ask for, "profiles" what the model says, "pixels" puts it on pixels once the
    model is fitted; None is "auto" for a standard model, else "profiles". mesh: the fields of `lensfit.analysis.Mesh`
    that are not as by default, as {pixels = 40}.
    """

    fitter: str = "staged"
    seed: int = 0
    settings: dict[str, Any] | None = None
    standard: str | None = None
    mass: MassModel | None = None
    light_bands: Structure | None = None
    source_bands: Structure | None = None
    source: SourceModel | None = None
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
        names = [f.name for f in dataclasses.fields(Instrument) if f.name != "notes"]
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
            made["psf"], made["notes"] = read_psf(made["psf"], made["pixel_scale"])
        return Instrument(**made)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe says. `model` is None where it holds neither profiles nor sky; of several data, those of
    [data.NAME] or of a script, it is one for each of them."""

    model: AnyModel | None = None
    data: DataSection | dict[str, DataSection] = dataclasses.field(default_factory=DataSection)
    fit: FitSection = dataclasses.field(default_factory=FitSection)
    instrument: InstrumentSection = dataclasses.field(default_factory=InstrumentSection)


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        path: of the TOML file; paths in it are relative to its folder.

    Returns:
        The recipe: its `model`, None where it holds none, `data`, `fit` and `instrument`.

    Raises:
        ModelError: it is missing, no TOML, or says what is unknown or does not fit.
    """
    path = Path(path)
    told = unreadable(path)
    if told:
        raise ModelError(f"{path}: cannot be read ({told}); check the path")
    try:
        content = _content(text_of(path, LONGEST))
    except RecursionError as error:
        raise ModelError(f"{path}: is nested too deep for a recipe; write its tables side by side") from error
    except ValueError as error:
        raise ModelError(f"{path}: is not valid TOML ({error}); correct it there") from error
    try:
        data = _several(content)
        names = data or tuple(key for key, table in content.items() if _is_model(key, table))
        known = (*OF_MODEL, *SECTIONS, *names)
        for key in content:
            if key not in known:
                values.unknown("top level", "section", key, known)
        sections: dict[str, Any] = {name: _read_section(kind, content, name, path.parent)
                                    for name, kind in SECTIONS.items() if name != "data" or not data}  # fmt: skip
        if data:
            sections["data"] = {name: _read_section(DataSection, content["data"], name, path.parent, "data.")
                                for name in data}  # fmt: skip
        model = read_model(content, names) if content.keys() & {*OF_MODEL, *names} else None
        for key in OF_STANDARD:
            if model is not None and getattr(sections["fit"], key) is not None:
                raise ModelError(f"fit.{key}: the recipe holds a model of its own too; keep one of the two")
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return Recipe(model=model, **sections)


def _several(content: dict[str, Any]) -> tuple[str, ...]:
    """The names of several data, none where [data] is of one."""
    data = content.get("data")
    tables = {key: value for key, value in data.items() if isinstance(value, dict)} if isinstance(data, dict) else {}
    for name in tables:
        if not name.isidentifier() or name in SEVERAL_TAKEN:
            said = values.shown(repr(name))
            raise ModelError(f"data: {said} is no name of data; use letters, digits and _, as F444W")
    if tables and len(tables) < len(data or ()):
        other = next(key for key in data or () if key not in tables)
        raise ModelError(f"data.{other}: [data] holds several data by name; write it into the [data.NAME] it is of")
    return tuple(tables)


def _is_model(name: str, table: Any) -> bool:
    """Whether a table is the model of one of several data that the recipe does not name, as those of a script."""
    return name not in SEVERAL_TAKEN and isinstance(table, dict) and bool(table) and table.keys() <= {*OF_MODEL}


def _content(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError where it is none, RecursionError where it is nested too deep."""
    if MANY_PARTS.search(text):  # tomllib keeps every beginning of a key
        raise ValueError("a key has more than 40 parts")
    return tomllib.loads(text)


def write_recipe(
    path: str | Path,
    model: AnyModel,
    *,
    data: DataSection | Mapping[str, DataSection] | None = None,
    fit: FitSection | None = None,
    folder: Path | None = None,
) -> None:
    """Write a model, and what it was fitted to and how; `read_recipe` gives the same model.

    Args:
        path: of the TOML file.
        model: with priors, numbers and `Solved` amplitudes at its leaves.
        data: where the data are and how they are read; of several data by their names.
        fit: how the model is fitted.
        folder: the one that paths are relative to, where the recipe is to be moved into it; else its own.

    Raises:
        ModelError: the model holds profiles or priors that are not lensfit's.
    """
    path = Path(path)
    lines = model_lines(model)
    end = lines.index("") if "" in lines else len(lines)
    base = path.parent if folder is None else folder
    several = {"data": data} if data is None or isinstance(data, DataSection) else data
    told = [line for name, one in several.items() for line in _section(name, one, base, "data")]
    sections = [*told, *_section("fit", fit, base)]
    with replacing(path) as new:
        new.write_text("\n".join([*lines[:end], *sections, *lines[end:]]) + "\n", encoding="utf-8")


def _section(name: str, section: DataSection | FitSection | None, folder: Path, within: str = "") -> list[str]:
    if section is None:
        return []
    given = {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}
    empty = [key for key, v in given.items() if v is None or v is False or (isinstance(v, tuple) and not v)]
    said = {key: _portable(v, folder) for key, v in given.items() if key not in empty}
    lines = [line(key, value) for key, value in said.items()]
    return ["", header(*([within] if within and name != within else []), name), *lines]


def _portable(value: Any, folder: Path) -> Any:
    """A value of a section, paths relative to the folder of the recipe."""
    if isinstance(value, tuple):
        return [_portable(item, folder) for item in value]
    return _relative(value, folder) if isinstance(value, Path) else value


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder.resolve())


def _read_section(kind: type[S], content: dict[str, Any], name: str, folder: Path, within: str = "") -> S:
    """A section from its table; paths in it are relative to the folder."""
    entries = values.table(content.get(name, {}), name := f"{within}{name}")
    readers = READERS[kind]
    for key in entries:
        if key not in readers:
            values.unknown(name, "key", key, readers)
    return kind(**{key: readers[key](value, f"{name}.{key}", folder) for key, value in entries.items()})


def _fitter(value: Any, where: str, folder: Path) -> str:
    if not isinstance(value, str) or value not in fitters():
        values.unknown(where, "fitter", value, fitters())
    return value


def _psf(value: Any, where: str, folder: Path) -> Path | dict[str, float]:
    if isinstance(value, str):
        return folder / value
    for key in values.table(value, where):
        if key not in ("fwhm", "size"):
            values.unknown(where, "key", key, ("fwhm", "size"))
    if len(value) < 2:
        raise ModelError(f"{where}: give the path of a file, or {{fwhm = arcsec, size = pixels per side}}")
    return {"fwhm": values.number(value["fwhm"], where), "size": values.integer(value["size"], where, folder)}


SECTIONS = {"data": DataSection, "fit": FitSection, "instrument": InstrumentSection}
READERS: dict[type, dict[str, values.Reader]] = {
    DataSection: {
        "path": values.path,
        "noise": values.path,
        "psf": values.path,
        "mask": values.path,
        "mask_is": values.one_of(*MASK_MEANINGS),
        "plane": values.integer,
        "center": values.place,
        "center_sky": values.place,
        "cutout": values.number,
        "mask_radius": values.number,
        "pixel_scale": values.number,
        "nan": values.one_of(*NAN_POLICIES),
        "psf_center": values.boolean,
        "noise_is": values.one_of(*NOISE_MEANINGS),
        "more": values.paths,
        "shape": values.shape,
        "origin": values.place,
        "sign": values.sign,
        "east": values.one_of(*SIDES),
        "wavelength": values.number,
        "primary_beam": values.number,
        "field": values.label,
        "noise_scale": values.number_or("auto"),
        "galaxies": values.galaxies,
        "zero_point": values.number,
        "redshift_lens": values.number,
        "redshift_source": values.number,
        "cosmology": values.text,
        "antenna_phases": values.boolean,
    },
    FitSection: {
        "fitter": _fitter,
        "seed": values.integer,
        "settings": values.settings,
        "standard": values.one_of(*IMAGE_MODELS, *VISIBILITY_MODELS),
        "mass": values.one_of(*MASSES),
        "light_bands": values.one_of(*STRUCTURES),
        "source_bands": values.one_of(*STRUCTURES),
        "source": values.one_of(*SOURCES),
        "mesh": values.settings,
    },
    InstrumentSection: {
        "shape": values.shape,
        "preset": values.one_of(*PRESETS),
        "pixel_scale": values.number,
        "psf": _psf,
        "exposure_time": values.number,
        "gain": values.number,
        "sky": values.number,
        "read_noise": values.number,
        "unit": values.text,
    },
}
