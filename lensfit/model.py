"""The lens model: named profiles of lens light, mass and source, and a constant sky; and models of several datasets."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from lensfit.alignment import Alignment
from lensfit.datasets.dataset import LARGEST
from lensfit.errors import ModelError
from lensfit.priors import Part, Prior, Solved
from lensfit.profile_names import find, name_of
from lensfit.profiles import LightProfile, MassProfile, PixelSource
from lensfit.pytree import pytree, replace

GROUPS: dict[str, tuple[type[Any], ...]] = {
    "light": (LightProfile,), "mass": (MassProfile,), "source": (LightProfile, PixelSource),
}
"""What stands in each group of a model."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """What is known of a free parameter or a solved amplitude: where it stands in the tree.

    group: "light", "mass", "source", "alignment" or "sky". term: of the dataset whose model alone it belongs to, else
    empty. typical: the value at which a search may hold it until the rest is found.
    """

    name: str
    unit: str
    symbol: str
    role: str
    group: str
    term: str = ""
    typical: float | None = None


@pytree
class LensModel:
    """Lens light and mass in the image plane, source light in the source plane, sky per pixel.

    With an `alignment` the dataset has a frame of its own: light is asked for at points of that, while profiles, mass
    and deflection are in the frame of the mass.

    The leaves are numbers, or, in a model to be fitted, priors (free), `Solved` (amplitudes that the
    likelihood solves) and numbers (fixed). The same prior object at two leaves is one parameter.

    Attributes:
        light, mass, source: profiles by names of your choice, which become the parameters' names.
        sky: brightness of a constant sky, in the data's unit per pixel.
        alignment: of the dataset's frame against that of the mass, None where they are one.
    """

    light: dict[str, LightProfile]
    mass: dict[str, MassProfile]
    source: dict[str, LightProfile | PixelSource]
    sky: Any = 0.0
    alignment: Alignment | None = None

    def placed(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The points (x, y) [arcsec] of the dataset's frame in the frame of the mass."""
        return (x, y) if self.alignment is None else self.alignment.placed(x, y)

    def seen(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The points (x, y) [arcsec] of the frame of the mass in the dataset's frame."""
        return (x, y) if self.alignment is None else self.alignment.seen(x, y)

    def __repr__(self) -> str:
        groups = {group: getattr(self, group) for group in GROUPS}
        rows = [f"  {group}: {', '.join(f'{n} {type(p).__name__}' for n, p in profiles.items())}"
                for group, profiles in groups.items() if profiles]  # fmt: skip
        sky = f"{self.sky:.6g}" if np.isscalar(self.sky) else repr(self.sky)
        return "\n".join(["<LensModel", *rows, f"  sky: {sky}>"])

    def deflection(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Total deflection (alpha_x, alpha_y) [arcsec] at the points (x, y) [arcsec]."""
        ax, ay = 0 * x, 0 * y
        for _, profile in sorted(self.mass.items()):
            dx, dy = profile.deflection(x, y)
            ax, ay = ax + dx, ay + dy
        return ax, ay

    def source_position(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Lens equation beta = theta - alpha(theta) [arcsec]."""
        ax, ay = self.deflection(x, y)
        return x - ax, y - ay

    def convergence(self, x: Any, y: Any) -> Any:
        """Total kappa at the points (x, y) [arcsec]."""
        return sum((p.convergence(x, y) for _, p in sorted(self.mass.items())), 0 * x)

    def potential(self, x: Any, y: Any) -> Any:
        """Total psi [arcsec^2] at the points (x, y) [arcsec]; a constant is left open."""
        return sum((p.potential(x, y) for _, p in sorted(self.mass.items())), 0 * x)

    def _lights(self, x: Any, y: Any) -> list[tuple[LightProfile, Any, Any]]:
        x, y = self.placed(x, y)
        lights = [(profile, x, y) for _, profile in sorted(self.light.items())]
        if not self.source:
            return lights
        bx, by = self.source_position(x, y)
        for name, profile in sorted(self.source.items()):
            if isinstance(profile, PixelSource):
                raise ModelError(
                    f"source.{name} is on pixels, and its brightness is solved from data: use "
                    "PixelImagingLikelihood or PixelInterferometerLikelihood, or the model `without_pixels()`"
                )
            lights.append((profile, bx, by))
        return lights

    def pixels(self) -> dict[str, PixelSource]:
        """The sources on pixels, by name."""
        return {name: p for name, p in self.source.items() if isinstance(p, PixelSource)}

    def without_pixels(self) -> LensModel:
        """The model without its sources on pixels."""
        return replace(self, source={n: p for n, p in self.source.items() if not isinstance(p, PixelSource)})

    def brightness(self, x: Any, y: Any) -> Any:
        """Surface brightness of light and lensed source, without sky; `Solved` amplitudes are left out."""
        total = 0 * x
        for profile, px, py in self._lights(x, y):
            if not isinstance(getattr(profile, profile.amplitude), Solved):
                total = total + profile.brightness(px, py)
        return total

    def solved_shapes(self, x: Any, y: Any) -> tuple[Any, ...]:
        """Unit-amplitude brightness for each `Solved` amplitude of the profiles, in the order of the tree."""
        shapes: tuple[Any, ...] = ()
        for profile, px, py in self._lights(x, y):
            if isinstance(getattr(profile, profile.amplitude), Solved):
                shapes += profile.shapes(px, py)
        return shapes

    def _solved(self) -> list[tuple[str, str, LightProfile]]:
        """(group, name, profile) of the profiles whose amplitudes are `Solved`, in the order of the tree."""
        groups = [("light", self.light), ("source", self.source)]
        return [
            (group, name, profile)
            for group, profiles in groups
            for name, profile in sorted(profiles.items())
            if isinstance(profile, LightProfile) and isinstance(getattr(profile, profile.amplitude), Solved)
        ]

    def positive(self) -> np.ndarray:
        """(K,) whether each `Solved` amplitude is kept non-negative; the sky's comes last."""
        flags = [[getattr(p, p.amplitude).positive] * p.count for _, _, p in self._solved()]
        sky = [self.sky.positive] if isinstance(self.sky, Solved) else []
        return np.array([f for some in flags for f in some] + sky, bool)

    def solved_keys(self) -> list[tuple[str, int]]:
        """(K,) what tells each `Solved` amplitude from others, also from those of another model."""
        keys = [(getattr(p, p.amplitude).tag, k) for _, _, p in self._solved() for k in range(p.count)]
        return [*keys, (self.sky.tag, 0)] if isinstance(self.sky, Solved) else keys

    def filled(self, amplitudes: Any) -> LensModel:
        """The model with numbers for its `Solved` amplitudes: (K,) in the order of the tree, sky last."""
        changed = {"light": dict(self.light), "source": dict(self.source)}
        start = 0
        for group, name, profile in self._solved():
            part = amplitudes[start : start + profile.count]
            value = part[0] if profile.count == 1 else part
            changed[group][name] = replace(profile, **{profile.amplitude: value})
            start += profile.count
        sky = amplitudes[start] if isinstance(self.sky, Solved) else self.sky
        return replace(self, **changed, sky=sky)

    def only(self, *groups: str) -> LensModel:
        """The model with the light of the named groups alone: "light" (with the sky), "source" or both; with none of
        them the mass in its own frame."""
        return replace(
            self,
            alignment=self.alignment if groups else None,
            light=self.light if "light" in groups else {},
            source=self.source if "source" in groups else {},
            sky=self.sky if "light" in groups else 0.0,
        )


@pytree
class Models(Mapping[str, LensModel]):
    """The models of several datasets of one lens, by the names of their terms.

    A prior that stands in several of them is one parameter, a `Solved` object that does is one amplitude.

    Attributes:
        terms: the model of each term, by its name.
    """

    terms: dict[str, LensModel]

    def __getitem__(self, name: str) -> LensModel:
        return self.terms[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.terms))

    def __len__(self) -> int:
        return len(self.terms)

    def places(self) -> dict[str, np.ndarray]:
        """Of each model, where its `Solved` amplitudes stand among those (K,) of all."""
        order: dict[tuple[str, int], int] = {}
        return {
            name: np.array([order.setdefault(key, len(order)) for key in model.solved_keys()], int)
            for name, model in self.items()
        }

    def positive(self) -> np.ndarray:
        """(K,) whether each `Solved` amplitude is kept non-negative."""
        places = self.places()
        flags = np.zeros(max((int(p.max(initial=-1)) + 1 for p in places.values()), default=0), bool)
        for name, model in self.items():
            flags[places[name]] = model.positive()
        return flags

    def filled(self, amplitudes: Any) -> Models:
        """The models with numbers for their `Solved` amplitudes (K,)."""
        places = self.places()
        return Models(terms={name: model.filled(amplitudes[places[name]]) for name, model in self.items()})

    def only(self, *groups: str) -> Models:
        """Each model with the light of the named groups alone."""
        return Models(terms={name: model.only(*groups) for name, model in self.items()})

    def pixels(self) -> dict[str, PixelSource]:
        """The sources on pixels, by name."""
        return {f"{name}.{key}": p for name, model in self.items() for key, p in model.pixels().items()}


AnyModel = LensModel | Models


def as_formula(model: LensModel, method: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    """A method of a model at a point as a formula (numbers, x, y) of its numbers, and these; `Solved` stay in place."""
    leaves, treedef = jax.tree.flatten(model, is_leaf=lambda leaf: isinstance(leaf, Solved))
    moving = [k for k, leaf in enumerate(leaves) if not isinstance(leaf, Solved)]

    def formula(numbers: list[Any], x: Any, y: Any) -> Any:
        every = list(leaves)
        for k, number in zip(moving, numbers, strict=True):
            every[k] = number
        return method(treedef.unflatten(every), x, y)

    return formula, [leaves[k] for k in moving]


def to_plain(model: AnyModel) -> dict[str, Any]:
    """A model of numbers as JSON can hold it: of each profile its class by name, its numbers and its structure."""
    if isinstance(model, Models):
        return {"terms": {name: to_plain(one) for name, one in model.items()}}

    def numbers(profile: Any) -> dict[str, Any]:
        values = {f.name: (f.metadata.get("static"), getattr(profile, f.name)) for f in dataclasses.fields(profile)}
        plain = {
            n: v if static else np.asarray(v, float).tolist() for n, (static, v) in values.items() if v is not None
        }
        return {"profile": name_of(type(profile)) or type(profile).__name__, **plain}

    groups = {group: {n: numbers(p) for n, p in getattr(model, group).items()} for group in GROUPS}
    aligned = {} if model.alignment is None else {"alignment": {k: float(v) for k, v in vars(model.alignment).items()}}
    return {**groups, "sky": float(model.sky), **aligned}


def from_plain(content: dict[str, Any]) -> AnyModel:
    """The model of numbers that `to_plain` wrote.

    Raises ModelError where no profile of a name is known: the module of a notebook's class must be imported first.
    """
    if "terms" in content:
        return Models(terms={name: from_plain(one) for name, one in content["terms"].items()})  # pyright: ignore

    def made(group: str, numbers: dict[str, Any]) -> Any:
        name, bases = numbers["profile"], GROUPS[group]
        kind = find(name, bases) or _kinds(bases).get(name)
        if kind is None:
            raise ModelError(f"no {group} profile is named {name!r}; import the module that defines it first")
        values = {name: value for name, value in numbers.items() if name != "profile"}
        return kind(**{n: np.array(v) if isinstance(v, list) else v for n, v in values.items()})

    groups = {group: {n: made(group, numbers) for n, numbers in content[group].items()} for group in GROUPS}
    aligned = content.get("alignment")
    return LensModel(**groups, sky=content["sky"], alignment=None if aligned is None else Alignment(**aligned))


def _kinds(bases: tuple[type, ...]) -> dict[str, Any]:
    """These classes and every one that was made from them, by name."""
    made = {name: kind for base in bases for name, kind in _kinds(tuple(base.__subclasses__())).items()}
    return made | {base.__name__: base for base in bases}


def describe(model: AnyModel, path: tuple[Any, ...]) -> Parameter:
    """The parameter at a path of the model's tree: its dotted name, unit, symbol, role, group and term."""
    if isinstance(model, Models):
        term = path[1].key
        inner = describe(model[term], path[2:])
        return dataclasses.replace(inner, name=f"{term}.{inner.name}", term=term)
    keys = [str(getattr(k, "name", getattr(k, "key", getattr(k, "idx", k)))) for k in path]
    if keys == ["sky"]:
        return Parameter("sky", "data unit", r"\mathrm{sky}", "amplitude", "sky")
    profile = owner_of(model, path)
    fields = {f.name: f.metadata for f in dataclasses.fields(profile)}
    meta = fields[keys[-1] if keys[0] == "alignment" else keys[2]]
    return Parameter(".".join(keys), meta["unit"], meta["symbol"], meta["role"], keys[0], typical=meta.get("typical"))


def owner_of(model: AnyModel, path: tuple[Any, ...]) -> Any:
    """The profile, or alignment, that holds the leaf at a path of the model's tree; the model itself for its sky."""
    if isinstance(model, Models):
        return owner_of(model[path[1].key], path[2:])
    if len(path) < 2:
        return model
    if path[0].name == "alignment":
        return model.alignment
    return getattr(model, path[0].name)[path[1].key]


def check_leaves(model: AnyModel) -> None:
    """Raise ModelError where something stands at a leaf of a model that is no number, prior or `Solved`."""
    if isinstance(model, Models):
        for one in model.values():
            check_leaves(one)
        return
    _check_leaf(model.sky, "sky")
    if model.alignment is not None:
        for name, leaf in vars(model.alignment).items():
            _check_leaf(leaf, f"alignment.{name}")
    for group, kinds in GROUPS.items():
        for name, profile in getattr(model, group).items():
            if not isinstance(profile, kinds):
                raise ModelError(f"{group}.{name}: a {type(profile).__name__} is no {group} profile")
            for field in dataclasses.fields(profile):
                value = getattr(profile, field.name)
                if not field.metadata.get("static") and not (value is None and field.default is None):
                    _check_leaf(value, f"{group}.{name}.{field.name}")


def _check_leaf(value: Any, where: str) -> None:
    if isinstance(value, (Prior, Part, Solved)):
        return
    if value is None or isinstance(value, (str, tuple, list, dict, set)) or np.asarray(value).dtype.kind not in "fiub":
        raise ModelError(
            f"{where}: {value!r} is no number; a leaf is a number, an array of numbers, a prior, one of a prior's "
            ".parts, or Solved()"
        )


SIZES = ("radius", "half_width")
"""Roles of numbers that are above zero."""
STRENGTHS = {
    "einstein_radius": "an Einstein radius is not negative",
    "strength": "the strength of a mass is not negative",
}
"""Roles of numbers that say how strong a mass is, and what holds of them."""
PAIRS = (("e1", "e2", "an ellipticity"), ("gamma1", "gamma2", "a shear"))
"""Roles of two numbers that lie within a circle of radius 1."""


def check_meaning(model: AnyModel) -> None:
    """Raise ModelError where a profile of a model describes nothing, see `check_profile`."""
    if isinstance(model, Models):
        for one in model.values():
            check_meaning(one)
        return
    for group in GROUPS:
        for name, profile in getattr(model, group).items():
            check_profile(profile, f"{group}.{name}")


def check_profile(profile: Any, where: str) -> None:
    """Raise ModelError where a number of a profile, or all that a prior there allows, describes nothing.

    That is a negative Einstein radius, another size that is not above zero, an ellipticity or shear of 1 or more, or
    a number whose square is none.
    """
    told = next(_troubles(profile), "")
    if told:
        raise ModelError(f"{where}.{told}")


def _troubles(profile: Any) -> Iterator[str]:
    """What describes nothing in one profile, in words."""
    fixed: dict[str, Any] = {}
    for field in dataclasses.fields(profile):
        if field.metadata.get("static") or getattr(profile, field.name) is None:
            continue
        leaf = getattr(profile, field.name)
        role, numbers = field.metadata["role"], _largest(leaf)
        fixed[role] = 0.0 if isinstance(leaf, (Prior, Part)) else numbers
        said = f"{field.name}: {numbers.min(initial=np.inf):g}"
        if (abs(numbers) > LARGEST).any():
            yield f"{field.name}: beyond {LARGEST:g}, its square is no number; give a smaller one"
        if role in STRENGTHS and (numbers < 0).any():
            yield f"{said}, and {STRENGTHS[role]}; give its size"
        above = 0.0 if role in SIZES else field.metadata.get("above")
        if above is not None and not (numbers > above).all():
            yield f"{said}, and it must be above {above:g}"
    for first, second, word in PAIRS:
        size = np.hypot(*(np.sum(fixed.get(role, 0.0)) for role in (first, second)))
        if size >= 1:
            yield f"{first}: with {second} a length of {size:g}, and {word} is below 1; give smaller ones"


def _largest(leaf: Any) -> np.ndarray:
    """The numbers (K,) at a leaf, or the largest one that the prior there allows; none where that is not known."""
    high = getattr(leaf, "high", None) if isinstance(leaf, (Prior, Part)) else leaf
    return np.zeros(0) if high is None or isinstance(high, (Prior, Part, Solved)) else np.ravel(np.asarray(high, float))
