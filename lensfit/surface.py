"""Brightness of a model over a grid, with derivatives taken at the sub-pixel.

The formula of one point is traced once and cut: what depends on the parameters alone (a few dozen
coefficients) from what varies over the sky, and that into the terms of its sum. Value and derivatives of
each term are summed over the sub-pixels block by block, with no tape; the chain rule back to the parameters
comes after the sum and is JAX's own. Hence `jax.grad`, `jax.jacfwd` and `jax.linearize` of anything built on
`surface` are fast. On a CPU the sums are made by native kernels (`lensfit.native`), elsewhere by XLA.
"""
from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from lensfit import native
from lensfit.grid import Grid

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
    coefficients = jaxpr_as_fun(_closed(first, closed))(*leaves)
    return coefficients, Local(_closed(second, closed))


def _closed(piece: Any, whole: ClosedJaxpr) -> ClosedJaxpr:
    """A piece of a closed jaxpr with the constants that it needs; an array among the others has no native form."""
    read = [v for e in piece.eqns for v in e.invars] + list(piece.outvars)
    needed = {v for v in read if not isinstance(v, Literal)}
    kept = [(v, c) for v, c in zip(whole.jaxpr.constvars, whole.consts, strict=True) if v in needed]
    return ClosedJaxpr(piece.replace(constvars=[v for v, _ in kept]), [c for _, c in kept])


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


AtPoint = Callable[[list[Any], Any, Any], list[Any]]  # (coefficients, x, y) -> values, all of one point


def surface(formula: Formula, arguments: Any, grid: Grid) -> jax.Array:
    """Image (H, W) of the mean over sub-pixels of formula(arguments, x, y), a scalar at one point."""
    coefficients, local = split(formula, arguments, grid.x.dtype)
    image = jnp.zeros(grid.shape, grid.x.dtype)
    for part in parts(local):
        own = [coefficients[k] for k in part.uses]
        factors = [_product(share.factors, coefficients) for share in part.shares]
        if len(part.shares) == 1:
            image = image + factors[0] * _mean(part.local)(own, grid)
        else:
            image = image + _mean(_weighted(part))(own + factors, grid)
    return image


def surfaces(formula: Formula, arguments: Any, grid: Grid) -> jax.Array:
    """Images (K, H, W) of a formula with K values; carries no derivative."""
    coefficients, local = split(formula, arguments, grid.x.dtype)
    coefficients = [lax.stop_gradient(c) for c in coefficients]
    images = [jnp.zeros(grid.shape, grid.x.dtype)] * len(local.closed.jaxpr.outvars)
    for part in parts(local):
        values = _sums(part.local, [coefficients[k] for k in part.uses], grid)
        for share in part.shares:
            term = _product(share.factors, coefficients) * values[share.value]
            images[share.output] = images[share.output] + term
    return jnp.stack(images) if images else jnp.zeros((0, *grid.shape), grid.x.dtype)


def _product(factors: tuple[int | float, ...], coefficients: list[jax.Array]) -> Any:
    return prod((coefficients[f] if isinstance(f, int) else f for f in factors), start=1.0)


def _weighted(part: Part) -> AtPoint:
    """The sum of a part's terms as one value, their factors given after the coefficients."""
    count = len(part.uses)

    def total(coefficients: list[Any], x: Any, y: Any) -> list[Any]:
        values = part.local(coefficients[:count], x, y)
        weights = coefficients[count:]
        terms = [weight * values[share.value] for weight, share in zip(weights, part.shares, strict=True)]
        return [sum(terms[1:], terms[0])]

    return total


def _mean(local: AtPoint) -> Callable[..., jax.Array]:
    """Image of the value of local(coefficients, x, y), a function of (coefficients, grid) with its derivative."""

    @jax.custom_jvp
    def mean(coefficients: list[jax.Array], grid: Grid) -> jax.Array:
        return _sums(local, coefficients, grid)[0]

    def derivative(primals: Any, tangents: Any) -> Any:
        coefficients, grid = primals
        moving = [k for k, t in enumerate(tangents[0]) if not isinstance(t, SymbolicZero)]
        images = _sums(_with_slopes(local, moving), coefficients, grid)
        if not moving:
            return images[0], jnp.zeros_like(images[0])
        # a zero for the value: a slice of the images would be a copy of them
        tangent = jnp.concatenate([jnp.zeros(1, grid.x.dtype), *(jnp.ravel(tangents[0][k]) for k in moving)])
        return images[0], _combined(images, tangent)

    mean.defjvp(derivative, symbolic_zeros=True)
    return mean


def _combined(images: jax.Array, tangent: jax.Array) -> jax.Array:
    """Sum of images (K, H, W) times tangent (K,). In this order of the factors XLA transposes no images for `grad`."""
    flat = images.reshape(len(images), -1)
    return lax.dot_general(flat, tangent, (((0,), (0,)), ((), ()))).reshape(images.shape[1:])


def _with_slopes(local: AtPoint, moving: list[int]) -> AtPoint:
    """The value of local and its derivatives by the entries of the moving coefficients."""

    def at_point(coefficients: list[Any], x: Any, y: Any) -> list[Any]:
        def moved(some: list[Any]) -> Any:
            every = list(coefficients)
            for k, value in zip(moving, some, strict=True):
                every[k] = value
            return local(every, x, y)[0]

        value, slope = jax.value_and_grad(moved)([coefficients[k] for k in moving])
        return [value, *(part for s in slope for part in ([s] if s.ndim == 0 else s.ravel()))]

    return at_point


def _sums(at_point: AtPoint, coefficients: list[jax.Array], grid: Grid) -> jax.Array:
    """Images (K, H, W): means over the sub-pixels of the K values of at_point(coefficients, x, y)."""
    by_xla = lambda c, g: _sums_by_xla(at_point, c, g)  # noqa: E731
    kernel = _kernel(at_point, coefficients, grid)
    if kernel is None:
        return by_xla(coefficients, grid)

    @jax.custom_jvp
    def images(coefficients: list[jax.Array], grid: Grid) -> jax.Array:
        stacked = jnp.stack(coefficients) if coefficients else jnp.zeros(0, grid.x.dtype)
        return native.means(
            kernel, stacked, grid.x, grid.y, grid.oversampling, grid.used, grid.pixel_scale, grid.gather
        )

    @images.defjvp
    def _(primals: Any, tangents: Any) -> Any:  # second derivatives: rare, hence by XLA alone
        return jax.jvp(by_xla, primals, tangents)

    return images(coefficients, grid)


def _kernel(at_point: AtPoint, coefficients: list[jax.Array], grid: Grid) -> native.Means | None:
    """The native kernel that makes the sums; None where XLA has to."""
    if grid.x.dtype != jnp.float64 or not native.uses_kernels(grid.engine):
        return None
    point = jax.ShapeDtypeStruct((), grid.x.dtype)
    closed = at_point.closed if isinstance(at_point, Local) else None
    try:
        for c in coefficients:
            if jnp.shape(c) != () or jnp.result_type(c) != jnp.float64:
                raise native.Unprintable(f"a coefficient of type {jnp.result_type(c)} and shape {jnp.shape(c)}")
        return native.means_kernel(closed or jax.make_jaxpr(at_point)([point] * len(coefficients), point, point))
    except native.Unprintable as reason:
        native.say_once(
            f"a profile of the model goes by XLA alone, several times more slowly: {reason} in its formula has no "
            "native form. Write the formula of one point with float64 numbers, elementary functions and jnp.where, "
            "without loops, arrays or complex numbers"
        )
        return None


def _sums_by_xla(at_point: AtPoint, coefficients: list[jax.Array], grid: Grid) -> jax.Array:
    """The same sums as loops over blocks of pixels and their sub-pixels."""
    at = jax.vmap(lambda x, y: at_point(coefficients, x, y))
    blocks, size = grid.x.shape
    point = jax.ShapeDtypeStruct((size,), grid.x.dtype)
    count = len(jax.eval_shape(at, point, point))
    zero = [jnp.zeros(size, grid.x.dtype)] * count

    def block(b: jax.Array, out: jax.Array) -> jax.Array:
        x, y, n = grid.x[b], grid.y[b], grid.oversampling[b]
        step = grid.pixel_scale / n

        def sub_pixel(k: jax.Array, total: list[jax.Array]) -> list[jax.Array]:
            ox = ((k % n) + 0.5) * step - 0.5 * grid.pixel_scale
            oy = ((k // n) + 0.5) * step - 0.5 * grid.pixel_scale
            return [t + v for t, v in zip(total, at(x + ox, y + oy), strict=True)]

        total = lax.fori_loop(0, n * n, sub_pixel, zero)
        return lax.dynamic_update_index_in_dim(out, jnp.stack(total) * (1.0 / (n * n)), b, 1)

    sums = lax.fori_loop(0, grid.used, block, jnp.zeros((count, blocks, size), grid.x.dtype))
    return grid.to_image(sums)
