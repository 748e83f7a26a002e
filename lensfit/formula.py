"""A formula of one point, traced once and cut: coefficients from what varies, and a sum into its terms."""
from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

Formula = Callable[[Any, Any, Any], Any]  # (arguments, x, y) -> brightness, or a tuple of them
Factor = int | float  # a coefficient by its index, or a number

_CHEAP = {"add", "sub", "mul", "neg", "add_any", "convert_element_type", "copy"}


@dataclasses.dataclass(frozen=True)
class Local:
    """The part of a formula that varies over the sky: (coefficients, x, y) -> list of values at one point."""

    closed: ClosedJaxpr

    def __call__(self, coefficients: list[Any], x: Any, y: Any) -> list[Any]:
        return jaxpr_as_fun(self.closed)(*coefficients, x, y)


@dataclasses.dataclass(frozen=True)
class Share:
    """What a value of a part adds to an output: the value times the factors."""

    output: int
    value: int
    factors: tuple[Factor, ...]


@dataclasses.dataclass(frozen=True)
class Part:
    """Terms that are worth computing together: they share some of their way.

    `uses` are the indices of the formula's coefficients that `local` takes, in the order of their use, so
    that the same profile elsewhere in a model, or in another model, has the same part.
    """

    local: Local
    uses: tuple[int, ...]
    shares: tuple[Share, ...]


def split(formula: Formula, arguments: Any, dtype: Any) -> tuple[list[jax.Array], Local]:
    """The coefficients of a formula (all that depends on its arguments alone), and the rest as a function.

    The rest, local(coefficients, x, y), gives the list of the formula's values at one point.
    """
    leaves, treedef = jax.tree.flatten(arguments)
    point = jax.ShapeDtypeStruct((), dtype)
    closed = jax.make_jaxpr(lambda leaves, x, y: formula(treedef.unflatten(leaves), x, y))(leaves, point, point)
    jaxpr = closed.jaxpr
    varying = set(jaxpr.invars[len(leaves) :])
    here, early = [], []
    for equation in jaxpr.eqns:
        varies = any(not isinstance(v, Literal) and v in varying for v in equation.invars)
        (here if varies else early).append(equation)
        if varies:
            varying.update(equation.outvars)
    given = {v for e in early for v in e.outvars} | set(jaxpr.invars[: len(leaves)])
    used = [v for e in here for v in e.invars if not isinstance(v, Literal)]
    used += [v for v in jaxpr.outvars if not isinstance(v, Literal)]
    edge = list(dict.fromkeys(v for v in used if v in given))
    info = jaxpr.debug_info.with_unknown_names()
    first = jaxpr.replace(invars=jaxpr.invars[: len(leaves)], outvars=edge, eqns=early, debug_info=info)
    second = jaxpr.replace(invars=edge + jaxpr.invars[len(leaves) :], eqns=here, debug_info=info)
    coefficients = jaxpr_as_fun(ClosedJaxpr(first, closed.consts))(*leaves)
    return coefficients, Local(ClosedJaxpr(second, closed.consts))


def parts(local: Local) -> list[Part]:
    """The outputs of a function as sums of terms, each with its factors taken out, terms that belong together
    in one part. What is zero at every finite point whatever the coefficients are is left out."""
    jaxpr = local.closed.jaxpr
    made = {v: e for e in jaxpr.eqns for v in e.outvars}
    sums = _used_once(jaxpr, made)
    place = {v: k for k, v in enumerate(jaxpr.invars[:-2])}
    terms = [(k, *term) for k, out in enumerate(jaxpr.outvars) for term in _terms(out, sums, place)]
    terms = [(output, factors, atom) for output, factors, atom in terms if not _vanishes(factors, atom, jaxpr)]
    needs = {id(atom): _needed(atom, made) for _, _, atom in terms}
    atoms = {id(atom): atom for _, _, atom in terms}
    return [
        _part(local.closed, [atoms[key] for key in group], terms, [needs[key] for key in group])
        for group in _groups({key: _binding(equations) for key, equations in needs.items()})
    ]


def _used_once(jaxpr: Any, made: dict[Any, Any]) -> dict[Any, Any]:
    """The equations of values that are used once: sums that are used more often are not taken apart."""
    used = [v for e in jaxpr.eqns for v in e.invars] + list(jaxpr.outvars)
    times = Counter(v for v in used if not isinstance(v, Literal))
    return {v: e for v, e in made.items() if times[v] == 1}


def _terms(whole: Any, made: dict[Any, Any], place: dict[Any, int]) -> list[tuple[tuple[Factor, ...], Any]]:
    """(factors, atom) of the terms whose sum a value is, from left to right."""
    found: list[tuple[tuple[Factor, ...], Any]] = []
    waiting: list[tuple[tuple[Factor, ...], Any]] = [((), whole)]
    while waiting:
        factors, atom = waiting.pop()
        inner = _inner(None if isinstance(atom, Literal) else made.get(atom), place)
        if inner:
            waiting += [((*factors, *more), below) for more, below in reversed(inner)]
        else:
            found.append((factors, atom))
    return found


def _inner(equation: Any, place: dict[Any, int]) -> list[tuple[tuple[Factor, ...], Any]]:
    """The terms that an equation adds up, or the one that it multiplies by a factor; empty if it does neither."""
    if equation is None or any(v.aval.shape != () for v in equation.invars):
        return []
    name, given = equation.primitive.name, equation.invars
    if name in ("add", "add_any", "sub"):
        return [((), given[0]), ((-1.0,) if name == "sub" else (), given[1])]
    if name == "neg":
        return [((-1.0,), given[0])]
    if name == "mul":
        for one, other in (given, given[::-1]):
            factor = _factor(one, place)
            if factor is not None:
                return [((factor,), other)]
    return []


def _factor(atom: Any, place: dict[Any, int]) -> Factor | None:
    if isinstance(atom, Literal):
        return float(atom.val)
    return place.get(atom)


def _needed(atom: Any, made: dict[Any, Any]) -> dict[int, Any]:
    """The equations, by their id, that an atom depends on."""
    found: dict[int, Any] = {}
    waiting = [atom]
    while waiting:
        equation = made.get(v) if not isinstance(v := waiting.pop(), Literal) else None
        if equation is not None and id(equation) not in found:
            found[id(equation)] = equation
            waiting += equation.invars
    return found


def _vanishes(factors: tuple[Factor, ...], atom: Any, jaxpr: Any) -> bool:
    """Whether a term is zero at every finite point: coefficients and functions of them may be NaN."""
    if not all(isinstance(f, float) and math.isfinite(f) for f in factors):
        return False
    if isinstance(atom, Literal):
        return float(atom.val) == 0.0 or (0.0 in factors and math.isfinite(float(atom.val)))
    return 0.0 in factors and atom in jaxpr.invars[-2:]


def _binding(equations: dict[int, Any]) -> set[int]:
    """Equations not to be done twice, by their id; 0 stands for those of all terms that have only cheap ones."""
    dear = any(equation.primitive.name not in _CHEAP for equation in equations.values())
    return set(equations) if dear else {0}


def _groups(needs: dict[int, set[int]]) -> list[list[int]]:
    """Keys grouped so that no two groups need the same."""
    groups: list[tuple[list[int], set[int]]] = []
    for key, need in needs.items():
        together = [group for group in groups if group[1] & need]
        groups = [group for group in groups if not group[1] & need]
        keys = [k for group in together for k in group[0]]
        groups.append(([*keys, key], need.union(*(group[1] for group in together))))
    return [keys for keys, _ in groups]


def _part(closed: ClosedJaxpr, atoms: list[Any], terms: list[Any], needs: list[dict[int, Any]]) -> Part:
    jaxpr = closed.jaxpr
    equations = [e for e in jaxpr.eqns if any(id(e) in need for need in needs)]
    used = [v for e in equations for v in e.invars if not isinstance(v, Literal)]
    used += [v for v in atoms if not isinstance(v, Literal)]
    place = {v: k for k, v in enumerate(jaxpr.invars[:-2])}
    uses = list(dict.fromkeys(v for v in used if v in place))
    own = jaxpr.replace(
        invars=uses + jaxpr.invars[-2:],
        outvars=atoms,
        eqns=equations,
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )
    index = {id(atom): k for k, atom in enumerate(atoms)}
    shares = [Share(output, index[id(a)], factors) for output, factors, a in terms if id(a) in index]
    return Part(Local(ClosedJaxpr(own, closed.consts)), tuple(place[v] for v in uses), tuple(shares))
