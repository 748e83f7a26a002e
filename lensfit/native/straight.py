"""Straight lines of a formula as one operation of a kernel.

numba's work grows with each statement that it sees, and the formula of a lens with its derivatives has thousands. So
the lines are no statements of the kernel: one intrinsic makes the instructions of them all. What an operator or a
function does with numbers of some types is asked of numba itself, once for each of them and not once a line.
"""
from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from lensfit.native.elementary import FUNCTIONS

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.USub: operator.neg, ast.Not: operator.not_,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "sqrt": math.sqrt, "np.floor": np.floor, "np.ceil": np.ceil,
    **FUNCTIONS,
}
_NUMBERS = {"inf": math.inf, "nan": math.nan}

Value = tuple[Any, Any]
"""A value in LLVM's hands, and its type in numba's."""


def straight_lines(text: str, inputs: Sequence[str], outputs: Mapping[int, str]) -> Any:
    """A function for kernels, add(sums, i, values): adds outputs[place] to sums[place + i], for each of the places.

    `sums` is an array of doubles with one axis, `values` the tuple of the inputs, doubles too. Each line of the text
    assigns an expression of numbers and of names before it to a name; inputs are names, outputs expressions.
    """

    @intrinsic
    def add(typing: Any, sums: Any, i: Any, values: Any) -> Any:
        def instructions(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, first, given = arguments
            doubles = {name: builder.extract_value(given, k) for k, name in enumerate(inputs)}
            emitter = _Emitter(context, builder, doubles)
            emitter.run(text)
            data = context.make_array(sums)(context, builder, array).data
            for place, output in outputs.items():
                index = builder.add(first, context.get_constant(types.int64, place))
                pointer = builder.gep(data, [index])
                builder.store(builder.fadd(builder.load(pointer), emitter.double(output)), pointer)
            return context.get_dummy_value()

        return types.void(sums, types.int64, values), instructions

    return add


class _Emitter:
    """The instructions so far, by the names that they were assigned to."""

    def __init__(self, context: Any, builder: Any, doubles: dict[str, Any]) -> None:
        self.context, self.builder = context, builder
        self.named: dict[str, Value] = {name: (value, types.float64) for name, value in doubles.items()}
        self.known: dict[Any, tuple[Any, Any]] = {}

    def run(self, text: str) -> None:
        """Emit the lines."""
        for line in ast.parse(text).body:
            assert isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
            self.named[line.targets[0].id] = self.value(line.value)

    def double(self, text: str) -> Any:
        """An expression as a double."""
        value, kind = self.value(ast.parse(text, mode="eval").body)
        return self.context.cast(self.builder, value, kind, types.float64)

    def value(self, node: ast.expr) -> Value:
        """Emit an expression."""
        match node:
            case ast.Name(id=name):
                return self.named[name] if name in self.named else self.constant(_NUMBERS[name])
            case ast.Constant(value=number):
                return self.constant(number)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return self.constant(-number)
            case ast.UnaryOp(op=what, operand=a):
                return self.call(_OPERATORS[type(what)], self.value(a))
            case ast.BinOp(left=a, op=what, right=b) | ast.Compare(left=a, ops=[what], comparators=[b]):
                return self.call(_OPERATORS[type(what)], self.value(a), self.value(b))
            case ast.Call(func=name, args=given):
                return self.call(_FUNCTIONS[ast.unparse(name)], *map(self.value, given))
        raise AssertionError(ast.unparse(node))

    def constant(self, number: Any) -> Value:
        """A number of Python's."""
        kind = {bool: types.boolean, int: types.int64, float: types.float64}[type(number)]
        return self.context.get_constant(kind, number), kind

    def call(self, function: Callable[..., Any], *arguments: Value) -> Value:
        """Emit what numba makes of a function of such arguments."""
        kinds = tuple(kind for _, kind in arguments)
        if (function, kinds) not in self.known:
            self.known[function, kinds] = self.looked_up(function, kinds)
        signature, make = self.known[function, kinds]
        values = [self.context.cast(self.builder, value, kind, wanted)
                  for (value, kind), wanted in zip(arguments, signature.args, strict=True)]  # fmt: skip
        return make(self.builder, values), signature.return_type

    def looked_up(self, function: Callable[..., Any], kinds: tuple[Any, ...]) -> tuple[Any, Any]:
        """The signature that numba finds for such arguments, and what makes the instructions."""
        template = self.context.typing_context.resolve_value_type(function)
        signature = template.get_call_type(self.context.typing_context, kinds, {})
        make = self.context.get_function(template, signature)
        self.context.add_linking_libs(getattr(make, "libs", ()))
        return signature, make
