"""The jaxpr of a small function evaluated with numpy: for numbers that are too few to be worth compiling."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from scipy import special

from lensfit.native.printer import Unprintable, inner_jaxpr

_NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add, "add_any": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "neg": np.negative, "max": np.maximum, "min": np.minimum, "abs": np.abs, "sign": np.sign,
    "floor": np.floor, "exp": np.exp, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "square": np.square,
    "expm1": np.expm1, "exp2": np.exp2, "cbrt": np.cbrt, "ceil": np.ceil,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "atan2": np.arctan2, "erf": special.erf, "erfc": special.erfc, "erf_inv": special.erfinv,
    "lgamma": special.gammaln, "logistic": special.expit, "is_finite": np.isfinite,
    "rsqrt": lambda x: 1 / np.sqrt(x), "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "pow": np.power, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal, "and": np.bitwise_and, "or": np.bitwise_or, "not": np.invert,
    "copy": np.asarray, "stop_gradient": np.asarray,
    "shift_left": np.left_shift, "shift_right_arithmetic": np.right_shift,
}
_WITH_PARAMETERS: dict[str, Callable[..., Any]] = {
    "integer_pow": lambda p, x: np.asarray(x, float) ** p["y"],
    "convert_element_type": lambda p, x: np.asarray(x).astype(p["new_dtype"]),
    "bitcast_convert_type": lambda p, x: np.asarray(x).view(p["new_dtype"]),
    "reshape": lambda p, x: np.reshape(x, p["new_sizes"]),
    "squeeze": lambda p, x: np.squeeze(x, tuple(p["dimensions"])),
    "slice": lambda p, x: x[tuple(map(slice, p["start_indices"], p["limit_indices"], p["strides"] or [None] * x.ndim))],
    "reduce_sum": lambda p, x: np.sum(x, axis=tuple(p["axes"])),
    "select_n": lambda p, which, *cases: np.choose(np.asarray(which).astype(int), cases),
}


def numpy_function(closed: ClosedJaxpr) -> Callable[..., list[Any]]:
    """The function, its arguments and results flat lists. Raises Unprintable for what numpy cannot do here."""
    tape = _Tape()
    inputs = [tape.keep(None) for _ in closed.jaxpr.invars]
    outputs = tape.record(closed.jaxpr, closed.consts, inputs)

    def evaluate(*arguments: Any) -> list[Any]:
        values = list(tape.values)
        values[: len(inputs)] = arguments
        for call, places, place in tape.steps:
            values[place] = call(*[values[k] for k in places])
        return [values[k] for k in outputs]

    return evaluate


class _Tape:
    """The values of a function in a row, and the steps (call, places it takes, place it fills) that make them."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.steps: list[tuple[Callable[..., Any], list[int], int]] = []

    def keep(self, value: Any) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def record(self, jaxpr: Any, consts: Any, inputs: list[int]) -> list[int]:
        place = dict(zip(jaxpr.invars, inputs, strict=True))
        place.update({v: self.keep(np.asarray(c)) for v, c in zip(jaxpr.constvars, consts, strict=True)})
        read: Callable[[Any], int] = (  # noqa: E731
            lambda v: self.keep(np.asarray(v.val)[()]) if isinstance(v, Literal) else place[v]
        )
        for equation in jaxpr.eqns:
            places, inner = [read(v) for v in equation.invars], inner_jaxpr(equation)
            if inner is not None:
                results = self.record(inner.jaxpr, inner.consts, places)
            else:
                results = [self.keep(None)]
                self.steps.append((_call(equation), places, results[0]))
            place.update(zip(equation.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]


def _call(equation: Any) -> Callable[..., Any]:
    name = equation.primitive.name
    if name in _NUMPY:
        return _NUMPY[name]
    if name in _WITH_PARAMETERS:
        return partial(_WITH_PARAMETERS[name], equation.params)
    raise Unprintable(f"the primitive {name}")
