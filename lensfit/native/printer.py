"""The jaxpr of a function of scalars as straight lines of Python that numba compiles; or, where a function is too small
to be worth compiling, evaluated with numpy.
"""
from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, Literal
from scipy import special

from lensfit.errors import LensfitError


class Unprintable(LensfitError):
    """The function uses something that has no numba form here; XLA can still evaluate it."""


_INFIX = {
    "add": "+", "add_any": "+", "sub": "-", "mul": "*", "div": "/",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "and": "&", "or": "|", "xor": "^", "shift_left": "<<", "shift_right_arithmetic": ">>",
}
_COMMUTES = {"add", "add_any", "mul", "and", "or", "xor"}
_CALL = {
    "exp": "exp", "log": "log", "log1p": "log1p", "atan": "atan", "atan2": "atan2", "pow": "power",
    "max": "maximum", "min": "minimum", "abs": "abs", "sqrt": "sqrt", "floor": "np.floor", "ceil": "np.ceil",
    **{name: name for name in (
        "acos", "acosh", "asin", "asinh", "atanh", "cbrt", "cos", "cosh", "erf", "erfc", "exp2", "expm1", "sin",
        "sinh", "tan", "tanh",
    )},
}
_ATOM = re.compile(r"[A-Za-z_]\w*|\(?-?(inf|\d[\d.]*(e[-+]?\d+)?)\)?")
"""A name or a number."""
_SAME = {"copy", "stop_gradient", "reshape", "squeeze", "broadcast_in_dim"}
_INSIDE = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr"}


def print_jaxpr(closed: ClosedJaxpr, inputs: list[str], names: str = "v") -> tuple[list[str], list[str]]:
    """Lines that assign to names + "0", names + "1", ... from the inputs, and the expressions of the outputs.

    Raises Unprintable for a primitive or a shape without numba form.
    """
    printer = _Printer(names)
    outputs = printer.run(closed.jaxpr, closed.consts, inputs)
    return printer.lines, outputs


def inner_jaxpr(equation: Any) -> ClosedJaxpr | None:
    """The function that an equation does nothing but call."""
    return equation.params.get(_INSIDE.get(equation.primitive.name))


class _Printer:
    """Lines so far, and the name of each expression that was assigned: what is computed twice is named once."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.lines: list[str] = []
        self.names: dict[str, str] = {}

    def run(self, jaxpr: Any, consts: Any, inputs: list[str]) -> list[str]:
        values: dict[Any, str] = dict(zip(jaxpr.invars, inputs, strict=True))
        values |= {v: _constant(c) for v, c in zip(jaxpr.constvars, consts, strict=True)}
        read: Callable[[Any], str] = lambda v: _constant(v.val) if isinstance(v, Literal) else values[v]  # noqa: E731
        for equation in jaxpr.eqns:
            arguments = [read(v) for v in equation.invars]
            inner = inner_jaxpr(equation)
            if inner is not None:
                results = self.run(inner.jaxpr, inner.consts, arguments)
            else:
                results = [self.assign(expression(equation, arguments))]
            values.update(zip(equation.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def assign(self, text: str) -> str:
        if _ATOM.fullmatch(text):
            return text
        if text not in self.names:
            self.names[text] = f"{self.prefix}{len(self.names)}"
            self.lines.append(f"{self.names[text]} = {text}")
        return self.names[text]


def expression(equation: Any, arguments: list[str]) -> str:
    """One equation as an expression of its arguments."""
    name, params = equation.primitive.name, equation.params
    if any(v.aval.shape != () for v in (*equation.invars, *equation.outvars)):
        raise Unprintable(f"an array inside the formula ({name})")
    if name in _INFIX:
        a, b = sorted(arguments) if name in _COMMUTES else arguments
        return f"{a} {_INFIX[name]} {b}"
    if name in _CALL:
        return f"{_CALL[name]}({', '.join(arguments)})"
    if name in _SAME:
        return arguments[0]
    if name in _SPECIAL:
        return _SPECIAL[name](params, arguments, equation)
    raise Unprintable(f"the primitive {name}")


def _select(params: Any, arguments: list[str], equation: Any) -> str:
    if len(arguments) != 3 or str(equation.invars[0].aval.dtype) != "bool":
        raise Unprintable("a choice between more than two")
    return f"select({arguments[0]}, {arguments[2]}, {arguments[1]})"


def _bitcast(params: Any, arguments: list[str], equation: Any) -> str:
    kinds = str(equation.invars[0].aval.dtype), str(equation.outvars[0].aval.dtype)
    if kinds == ("float64", "int64"):
        return f"float_bits({arguments[0]})"
    if kinds == ("int64", "float64"):
        return f"bits_float({arguments[0]})"
    raise Unprintable(f"bits of {kinds[0]} as {kinds[1]}")


def _convert(params: Any, arguments: list[str], equation: Any) -> str:
    kinds = str(equation.invars[0].aval.dtype), str(equation.outvars[0].aval.dtype)
    if kinds[0] == kinds[1]:
        return arguments[0]
    if kinds == ("int64", "float64"):
        return f"to_double({arguments[0]})"
    if kinds == ("bool", "float64"):
        return f"select({arguments[0]}, 1.0, 0.0)"
    raise Unprintable(f"{kinds[0]} made {kinds[1]}")


def _integer_pow(params: Any, arguments: list[str], equation: Any) -> str:
    power = params["y"]
    factor = arguments[0] if power > 0 else f"(1.0 / {arguments[0]})"  # LLVM divides once for all powers
    return " * ".join([factor] * abs(power)) or "1.0"


_SPECIAL: dict[str, Callable[[Any, list[str], Any], str]] = {
    "neg": lambda p, a, e: f"-{a[0]}",
    "not": lambda p, a, e: f"not {a[0]}",
    "square": lambda p, a, e: f"{a[0]} * {a[0]}",
    "rsqrt": lambda p, a, e: f"1.0 / sqrt({a[0]})",
    "logistic": lambda p, a, e: f"1.0 / (1.0 + exp(-{a[0]}))",
    "sign": lambda p, a, e: f"select({a[0]} > 0.0, 1.0, select({a[0]} < 0.0, -1.0, {a[0]}))",
    "clamp": lambda p, a, e: f"minimum(maximum({a[1]}, {a[0]}), {a[2]})",
    "is_finite": lambda p, a, e: f"abs({a[0]}) < inf",
    "integer_pow": _integer_pow,
    "select_n": _select,
    "bitcast_convert_type": _bitcast,
    "convert_element_type": _convert,
}


def _constant(value: Any) -> str:
    """A concrete scalar as a literal; negative ones in brackets."""
    if isinstance(value, Tracer):
        raise Unprintable("a traced number that is no argument of the formula")
    if getattr(value, "shape", ()) != ():
        raise Unprintable("an array constant")
    number = value.item() if hasattr(value, "item") else value
    for kind in (bool, int, float):  # JAX's literals are subclasses that print otherwise
        if isinstance(number, kind):
            return _literal(kind(number))
    raise Unprintable(f"a constant of type {type(number).__name__}")


def _literal(number: bool | int | float) -> str:
    if isinstance(number, float) and not math.isfinite(number):
        return {"inf": "inf", "-inf": "(-inf)"}.get(str(number), "nan")
    return f"({number!r})" if not isinstance(number, bool) and number < 0 else repr(number)


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
    "concatenate": lambda p, *x: np.concatenate(x, axis=p["dimension"]),
    "broadcast_in_dim": lambda p, x: _broadcast(np.asarray(x), p["shape"], p["broadcast_dimensions"]),
    "reduce_sum": lambda p, x: np.sum(x, axis=tuple(p["axes"])),
    "select_n": lambda p, which, *cases: np.choose(np.asarray(which).astype(int), cases),
}


def _broadcast(array: np.ndarray, shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    """The array repeated to a shape in which its axes are those that are told."""
    sizes = dict(zip(axes, array.shape, strict=True))
    return np.broadcast_to(array.reshape([sizes.get(axis, 1) for axis in range(len(shape))]), shape)


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
