"""One fit on its road from data to verdict: a frozen value that steps carry forward."""
from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from types import FunctionType
from typing import Any, Protocol, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lensfit.analysis.kept import Kept
from lensfit.analysis.sections import section_of, stating, with_redshifts
from lensfit.coolest import write_coolest
from lensfit.cosmology import FIELDS, Redshifts
from lensfit.datasets.cutout import Frame, frame_of
from lensfit.errors import DataError, FitError, ModelError
from lensfit.fitters.result import FitResult
from lensfit.maps import Maps
from lensfit.model import LensModel, Models
from lensfit.names import GALAXY, Figures, MassModel, Structure
from lensfit.observations import Observation, Sections, Shown, observe, read
from lensfit.plots import png_of
from lensfit.problem import Problem
from lensfit.progress import Progress, shown
from lensfit.recipe import OF_STANDARD, DataSection, FitSection, Recipe, read_recipe, write_recipe
from lensfit.registry import fitters
from lensfit.report import in_notebook, write_report
from lensfit.results import (
    Photometry,
    Quantity,
    derived_quantities,
    headline,
    photometry_of,
    physical_quantities,
    quantity_of,
    read_result,
    renewing,
    write_results,
)
from lensfit.results.derived import Quantities
from lensfit.results.document import RESULT, as_document, row_of
from lensfit.results.files import RECIPE
from lensfit.start_up import one_blas_thread
from lensfit.verdict import Trust
from lensfit.words import no_such

logger = logging.getLogger("lensfit")

Model = str | LensModel | Mapping[str, LensModel] | Callable[[Any], LensModel] | None
"""What is to be fitted: a standard model by its name (None: the default one of the data), a model, one for each of
several data by name, or a function of the dataset that gives one."""


class Step(Protocol):
    """One step of the road: a value that makes the next analysis of one."""

    def __call__(self, analysis: Analysis, progress: Progress) -> Analysis:
        """The analysis after this step."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """Data, model and what was found so far.

    Attributes:
        seen: the data as they are fitted, masked, on their window, calibrated; or where they are kept.
        model: what was asked for; `problem.model` is what is fitted, and differs where the source went onto pixels.
        result: of the last fit, None before one.
        data: what the data were read from, as a recipe says it; None where a script gave them.
        fit: how it is fitted, as a recipe says it, the seed among it.
        road: what each step was and how many seconds it took.
        redshifts: of lens and source with the cosmology, None where neither is known.
        posed: data and model as one problem, None before they are looked at so.
        parametric: the analysis whose source was put on pixels, None before that.
    """

    seen: Observation | Kept
    model: Model = None
    result: FitResult | None = None
    data: Sections | None = None
    fit: FitSection = dataclasses.field(default_factory=FitSection)
    road: tuple[dict[str, Any], ...] = ()
    redshifts: Redshifts | None = None
    posed: Problem | None = None
    parametric: Analysis | None = None

    # Made

    @classmethod
    def begin(
        cls,
        data: Any,
        model: Model = None,
        *,
        mass: MassModel | None = None,
        light_bands: Structure | None = None,
        source_bands: Structure | None = None,
        seed: int = 0,
        redshift_lens: float | None = None,
        redshift_source: float | None = None,
        cosmology: str | None = None,
        **reading: Any,
    ) -> Self:
        """Data and model, nothing chosen or fitted yet.

        Args:
            data: file or folder, an `Imaging`, an `Interferometer`, several visibilities of one lens as a list, a
                `DataSection`, or a mapping of names to any of these; files of several images are named by these.
            model: see `Model`.
            mass: the main mass of a standard model, "sie" or "epl", by default that of this model.
            light_bands, source_bands: the shape of lens light and source of one in several bands, see `analyse`.
            seed: of the fits to come.
            redshift_lens, redshift_source, cosmology: see `Redshifts`; what is not given is that of info.json.
            reading: of data from files, the fields of `DataSection`, as psf="psf.fits" or mask_radius=2.0.

        Raises:
            DataError: the data cannot be used. ModelError: a mass or galaxies are named beside a model that is no
                standard one.
        """
        said: dict[str, Any] = dict(zip(FIELDS, (redshift_lens, redshift_source, cosmology), strict=True))
        section = section_of(data, reading)
        section, redshifts = with_redshifts(section, said)
        observation = observe(data) if section is None else read(section)
        standard = observation.default or None if model is None else model if isinstance(model, str) else None
        if mass is not None and standard is None:
            raise ModelError(f"mass {mass!r} is that of a standard model, and the model given has masses of its own")
        if (light_bands or source_bands) and standard is None:
            raise ModelError("light_bands and source_bands are of a standard model, and the model given ties its own")
        if standard is None and observation.galaxies_in_the_model:
            raise ModelError("galaxies= adds to a standard model, and the model given has profiles of its own")
        observation.structured(light_bands, source_bands)
        asked = FitSection(seed=seed, standard=standard, mass=mass, light_bands=light_bands, source_bands=source_bands)
        return cls(seen=observation, model=model, data=section, fit=asked, redshifts=redshifts)

    @classmethod
    def of(cls, problem: Problem, result: FitResult, data: Any) -> Self:
        """Of a result that `lensfit.fit` gave for a problem of one's own.

        Args:
            problem: what was fitted.
            result: of the fit.
            data: that the problem is of, as `begin` takes them.
        """
        seed = result.provenance.get("seed", 0)
        return cls(seen=observe(data), model=problem.model, result=result, posed=problem,
                   fit=FitSection(fitter=result.fitter, seed=seed))  # fmt: skip

    # Carried forward

    def then(self, step: Step, progress: Progress | None = None) -> Analysis:
        """After one more step; without `progress` a bar shows how it goes on.

        Raises:
            ModelError: it is no step, as the name of a fitter is not.
        """
        if isinstance(step, type) or not callable(step):
            raise ModelError(
                f"{step!r} is no step: give one of lensfit.analysis, as Posterior(\"importance\") or Search()"
            )
        begun = time.perf_counter()
        with one_blas_thread(), shown(progress) as told:
            made = step(self, told)
        said = step.__name__ if isinstance(step, FunctionType) else str(step)
        row = {"step": said, "seconds": time.perf_counter() - begun}
        return made.changed(road=(*self.road, row))

    def along(self, steps: tuple[Step, ...], progress: Progress | None = None) -> Analysis:
        """After several steps."""
        made: Analysis = self
        with shown(progress) as told:
            for step in steps:
                made = made.then(step, told)
        return made

    def changed(self, **changes: Any) -> Analysis:
        """With other fields; where data or model change the problem is posed anew."""
        if changes.keys() & {"seen", "model"}:
            changes = {"posed": None, "parametric": None} | changes
        return dataclasses.replace(self, **changes)

    def ready(self) -> Analysis:
        """With its model made and its problem posed. Raises ModelError where data and model do not go together."""
        problem = self.problem
        return self if self.posed is problem else self.changed(model=problem.model, posed=problem)

    @cached_property
    def observation(self) -> Observation:
        """The data as they are fitted."""
        return self.seen.observation() if isinstance(self.seen, Kept) else self.seen

    @cached_property
    def problem(self) -> Problem:
        """What is fitted now."""
        if self.posed is not None:
            return self.posed
        if self.result is not None and self.result.model.pixels():
            raise ModelError("the problem of a source on pixels is not kept: put the source on pixels again")
        model = self.asked_model
        return Problem(model, self.observation.term(model))

    @property
    def asked_model(self) -> Any:
        """The model that was asked for, its standard one made from the data as they are now."""
        if self.model is None or isinstance(self.model, str):
            observation = self.observation.structured(self.fit.light_bands, self.fit.source_bands)
            return observation.model(self.model, self.fit.mass)
        if callable(self.model) and not isinstance(self.model, LensModel):
            return self.model(self.observation.frame)
        return self.model

    # What was found

    @property
    def fitted(self) -> FitResult:
        """The result. Raises FitError where there is none yet."""
        if self.result is None:
            raise FitError("nothing was fitted yet: take a step that does, as lensfit.analysis.Search()")
        return self.result

    @property
    def trust(self) -> Trust:
        """Whether the fit may be believed, and why not."""
        return self.fitted.trust

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling of the fit beside its numbers."""
        return self.fitted.notes

    @cached_property
    def derived(self) -> Quantities:
        """Quantities that follow from the parameters, by dotted name, with error, spread and total error."""
        if isinstance(self.seen, Kept):
            kept = self.seen.derived
            before = physical_quantities(kept, self.fitted, Redshifts.stated(self.seen.document.get("cosmology") or {}))
            found = Quantities({name: quantity for name, quantity in kept.items() if name not in before})
        else:
            found = Quantities(derived_quantities(self.problem, self.observation, self.fitted))
        return found | physical_quantities(found, self.fitted, self.redshifts)

    def with_redshifts(
        self, lens: float | None = None, source: float | None = None, cosmology: str | None = None
    ) -> Analysis:
        """The same with lengths, masses and velocities of these redshifts among its `derived`; see `Redshifts`.

        Raises:
            DataError: a redshift or the cosmology is none.
        """
        redshifts = Redshifts.of(lens, source, cosmology)
        return self.changed(redshifts=redshifts, data=stating(self.data, redshifts))

    def quantity(
        self, function: Callable[[LensModel], float], unit: str = "", description: str = "", data: str = ""
    ) -> Quantity:
        """A number of your own that follows from the model, with its error and its spread over neighbouring models.

        Args:
            function: of a model of numbers; it is called near the best one too, or at samples, and with each
                neighbouring model that counts, whose source may have other profiles. NaN says that a model has no
                such number. Amplitudes that are solved stay as they are.
            unit, description: of the number, in a few words.
            data: of several data the name of those whose model it is given, by default those in whose frame it is.

        Returns:
            The number, with `value`, `error`, `spread` and `total` in `unit`.

        Raises:
            FitError: nothing was fitted yet. ModelError: no data have that name. Errors of `function` are its own.
        """
        result = self.fitted
        return quantity_of(self.problem, result, function, unit, description, self._name_of(data))

    @cached_property
    def photometry(self) -> Photometry | None:
        """Fluxes of lens and source in each of several data, with their covariance; None where there is one alone."""
        return photometry_of(self.problem, self.observation, self.fitted)

    @property
    def einstein_radius(self) -> Quantity:
        """That of the critical curve, whatever the masses: sqrt(area / pi) [arcsec]."""
        return headline(self.derived)

    def summary(self) -> str:
        """Verdict with its reasons, Einstein radius, those of galaxies beside the lens, and chi2, in a few lines."""
        result, ratio = self.fitted, self.fitted.chi2 / self.fitted.data_count
        label = f"chi2 / {self.counted}"
        return "\n".join([
            result.trust.headline,
            *(f"  {reason}" for reason in result.trust.reasons),
            f"{'Einstein radius':<17}{self.einstein_radius}",
            *(f"{word:<17}{quantity}" for word, quantity in self._physical.items()),
            *self._galaxies,
            f"{label:<17}{result.chi2:.1f} / {result.data_count} = {ratio:.3f}",
        ])  # fmt: skip

    @property
    def _galaxies(self) -> list[str]:
        """What a summary says of the mass of each galaxy beside the lens."""
        parts = [(name.split("."), number) for name, number, _ in self.fitted.rows()]
        return [f"{at[1]:<17}{number} arcsec (Einstein radius of its own mass)" for at, number in parts
                if at[0] == "mass" and at[1].startswith(GALAXY) and at[-1] == "einstein_radius"]  # fmt: skip

    @property
    def _physical(self) -> dict[str, Quantity]:
        """What a summary says of the lens where redshifts are known, by its words."""
        words = {"einstein_radius_kpc": "at the lens", "einstein_mass": "mass within",
                 "velocity_dispersion": "dispersion"}  # fmt: skip
        found: dict[str, Quantity] = {}
        for name, quantity in self.derived.items() if self.redshifts is not None else ():
            word = words.get(name.rpartition(".")[2])
            if word is not None:
                found.setdefault(word, quantity)
        return found

    @property
    def counted(self) -> str:
        """What chi2 sums over."""
        return self.seen.document["data"]["counted"] if isinstance(self.seen, Kept) else self.seen.counted

    def maps(
        self,
        data: str = "",
        *,
        shape: Any = None,
        pixel_scale: float | None = None,
        center: tuple[float, float] | None = None,
        source: dict[str, Any] | None = None,
    ) -> Maps:
        """Convergence, deflection, potential, shear, magnification, light and source on a grid, see `Maps`.

        Args:
            data: of several data the name of those whose model is mapped; by default the first.
            shape: (H, W) of the grid, or a number for both; pixel_scale: arcsec per pixel; center: (x, y) of its
                middle [arcsec]. What is not given is that of the data.
            source: the same of the source plane, as {"shape": 300, "pixel_scale": 0.005}.

        Raises:
            FitError: nothing was fitted yet. ModelError: no data have that name. DataError: the grid is none.
        """
        model, frame, unit, coefficients = self._mapped(data)
        return Maps.of(model, shape=shape, pixel_scale=pixel_scale, center=center, source=source, frame=frame,
                       unit=unit, coefficients=coefficients)  # fmt: skip

    def plot(self, name: str, axes: Axes | None = None) -> Figure:
        """Draw a panel, as "convergence", "source" or "residual", on axes of your own; give their figure.

        Args:
            name: that of its file in the run folder; of several data it begins with that of each.
            axes: where it is drawn; without them a figure is made, of "overview" too.

        Raises:
            FitError: nothing was fitted yet. ModelError: no panel, or figure, has that name.
        """
        shown = self._shown
        known = shown.figures if axes is None else shown.panels
        if name not in known:
            raise ModelError(no_such(name, "figure" if axes is None else "panel", known))
        if axes is None:
            return shown.figures[name]()
        shown.panels[name](axes)
        figure: Any = axes.figure
        return figure

    @cached_property
    def _shown(self) -> Shown:
        """The fit as its figures show it."""
        result = self.fitted
        found = self.problem.reconstruct(result.theta) if result.model.pixels() else None
        return self.observation.shown(self.problem.likelihood, result.model, found, self.redshifts)

    def write_coolest(self, path: str | Path, data: str = "") -> Path:
        """Write the model as a template of COOLEST, NAME.json, that other codes read; see `docs/coolest.md`.

        data: of several data the name of those whose model is written.

        Raises:
            FitError: nothing was fitted yet. ModelError: the model holds what the standard has not.
        """
        return write_coolest(path, self.maps(data), self.redshifts, self.fitted)

    def _mapped(self, data: str) -> tuple[LensModel, Frame, str | None, np.ndarray | None]:
        """Model, frame and unit of the data of a name, and the coefficients of a source on pixels."""
        result = self.fitted
        kept = self.seen.frame() if isinstance(self.seen, Kept) and isinstance(result.model, LensModel) else None
        if isinstance(self.seen, Kept) and kept is not None:
            if data:
                raise ModelError(f"no data are called {data!r}: this run is of one dataset, which has no name")
            coefficients = self.seen.coefficients() if result.model.pixels() else None
            return result.model, kept, self.seen.document["data"]["unit"], coefficients
        name, frames = self._name_of(data), self.observation.frames
        parts = {key: m for key, _, m in self.problem.parts(result.model)}
        on, model = frames[name], parts[name]
        found = self.problem.reconstruct(result.theta) if model.pixels() else None
        coefficients = None if found is None else np.asarray(found.coefficients)
        return model, frame_of(on), on.unit, coefficients

    def _name_of(self, data: str) -> str:
        """The name of the data that are asked for; without one, of those in whose frame the model is."""
        frames, parts = self.observation.frames, {key: m for key, _, m in self.problem.parts(self.fitted.model)}
        name = data or next((key for key, m in parts.items() if m.alignment is None), next(iter(frames)))
        if name not in frames:
            raise ModelError(f"no data are called {data!r}: there are {', '.join(frames) or 'those of one dataset'}")
        return name

    def __repr__(self) -> str:
        if self.result is None:
            return f"<Analysis of {self.observation.kind}, nothing fitted yet>"
        return f"<Analysis: {self.trust.word}, Einstein radius {self.einstein_radius}>"

    def _repr_html_(self) -> str:
        """Verdict, the overview as a picture, and the numbers, for Jupyter."""
        if self.result is None:
            return f"<p>{escape(repr(self))}</p>"
        if isinstance(self.seen, Kept):
            document = self.seen.document | {"derived": {name: row_of(q) for name, q in self.derived.items()}}
            picture = self.seen.folder / self.seen.document["figures"][0]
            return in_notebook(document, picture.read_bytes() if picture.is_file() else b"")
        document = as_document(self.result, self.problem, self.observation, self.derived, [], self.road, self.redshifts)
        return in_notebook(document, png_of(next(iter(self._shown.figures.values()))()))

    # Kept

    def save(self, folder: str | Path, figures: Figures = "all") -> Path:
        """Write everything into a folder: result.json, tables, FITS files, samples, figures, recipe, report.

        With `figures` "overview" only that figure of the data is drawn and no maps are written; saved again, an
        analysis gets them. With "pdf" each figure of the data is there as a PDF too.

        Files that an earlier run wrote and nobody changed go away, other files stay; all appear or none.
        `lensfit.load` reads them back.

        Raises:
            DataError: the folder cannot be written to, or a file of yours has the name of one of these.
            FitError: nothing was fitted yet.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{folder}: is a file; choose a folder")
        result, derived = self.fitted, self.derived
        with renewing(folder, RESULT) as made:
            write_results(
                made, result, self.problem, self.observation, derived, self.road, figures, self.photometry,
                self.redshifts,
            )
            write_report(made)
            self._write_recipe(made / RECIPE, folder)
        return folder

    def _write_recipe(self, path: Path, folder: Path) -> None:
        """recipe.toml, unless it holds what a recipe cannot name: profiles and priors of others."""
        fit = dataclasses.replace(self.fit, **dict.fromkeys(OF_STANDARD)) if self.fit.fitter in fitters() else None
        try:
            if not isinstance(self.model, (LensModel, Models)):
                raise ModelError("a recipe is of a model, or one for each of several data")
            write_recipe(path, self.model, data=self.data, fit=fit, folder=folder)
        except ModelError as error:
            logger.warning("no %s: %s", RECIPE, error)


def load(folder: str | Path) -> Analysis:
    """The analysis that `Analysis.save`, or `lensfit fit`, wrote into a folder; nothing in it is a pickle.

    Result, verdict, derived quantities, notes and model are as they were saved; the data are read again from where
    the recipe says when they are asked for.

    Args:
        folder: of the run.

    Returns:
        The analysis, as `analyse` gave it.

    Raises:
        DataError: files are missing or damaged. ModelError: recipe.toml is.
    """
    folder = Path(folder)
    result, derived, document = read_result(folder)
    recipe = read_recipe(folder / RECIPE) if (folder / RECIPE).is_file() else Recipe()
    data = None if isinstance(recipe.data, DataSection) and recipe.data.path is None else recipe.data
    kept = Kept(folder, document, derived, data, result.model)
    redshifts = Redshifts.stated(document.get("cosmology") or {})
    return Analysis(seen=kept, model=recipe.model, result=result, data=data, fit=recipe.fit,
                    road=tuple(document["road"]), redshifts=redshifts)  # fmt: skip
