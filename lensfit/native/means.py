"""Kernel that averages a function of a point over the sub-pixels of blocks of pixels."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from lensfit.native.door import Kernel, Signature, printed_kernel
from lensfit.native.printer import print_jaxpr

CHUNK = 64
"""Pixels that one pass works on: the sums of 40 values for that many still lie in the first-level cache."""

LANES = (4, 2, 1)
"""Runs of pixels that go through the formula side by side: one waits for its divisions while another works."""
STREAMS = 48
"""Sums that go side by side at most. From 65 on LLVM 20 does not tell them apart and leaves the loop scalar."""

SIGNATURE = Signature(
    arguments=(
        ("coefficients", "float64", 1),
        ("x", "float64", 2),
        ("y", "float64", 2),
        ("oversampling", "int32", 1),
        ("used", "int32", 0),
        ("pixel_scale", "float64", 0),
        ("gather", "int32", 2),
    ),
    results=(("out", "float64", 3),),
)
"""coefficients (N,), x and y (B, P), sub-pixels per axis (B,), blocks used, pixel scale, and gather (H, W), the
place of each pixel of the image in the flattened blocks, negative for none. Result: images (K, H, W)."""

_BODY = """\
{unpack}
pixels = gather_0 * gather_1
sums = np.empty({count} * {chunk})
place = np.empty(x_0 * x_1, np.int32)
for k in range(x_0 * x_1):
    place[k] = -1
for p in range(pixels):
    if gather[p] >= 0:
        place[gather[p]] = p
for p in range({count} * pixels):
    out[p] = 0.0
for b in range(used[0]):
    n = oversampling[b]
    step = pixel_scale[0] / n
    for first in range(b * x_1, (b + 1) * x_1, {chunk}):
        if place[first] < 0:
            break
        for k in range({count} * {chunk}):
            sums[k] = 0.0
        for down in range(n):
            oy = (down + 0.5) * step - 0.5 * pixel_scale[0]
            for right in range(n):
                ox = (right + 0.5) * step - 0.5 * pixel_scale[0]
                for i in range({run}):
                    {points}
                    add_formula(sums, i, ({inputs}, ))
        share = 1.0 / (n * n)
        for i in range({chunk}):
            p = place[first + i]
            if p >= 0:
                for k in range({count}):
                    out[k * pixels + p] = sums[k * {chunk} + i] * share
"""
_FUNCTIONS = """\
add_formula = straight_lines('''\\
{lines}
''', {inputs}, {outputs})
"""


@dataclasses.dataclass(frozen=True)
class Means:
    """A kernel of means and the number of values that it averages."""

    kernel: Kernel
    count: int

    def run(self, *arguments: Any) -> np.ndarray:
        """Images (K, H, W) of arguments that are numpy arrays, in the order of SIGNATURE."""
        out = np.empty((self.count, *np.shape(arguments[-1])))
        kinds = [dtype for _, dtype, _ in SIGNATURE.arguments]
        given = [np.ascontiguousarray(array, dtype) for array, dtype in zip(arguments, kinds, strict=True)]
        self.kernel.run(given, [out])
        return out


def means(of: Means, *arguments: jax.Array) -> jax.Array:
    """The same as part of a JAX program on a CPU."""
    shape = (of.count, *arguments[-1].shape)
    return of.kernel(jax.ShapeDtypeStruct(shape, arguments[0].dtype), *arguments)


def means_kernel(closed: ClosedJaxpr) -> Means:
    """The kernel for a function of scalars (coefficients..., x, y) -> values; see SIGNATURE.

    Raises Unprintable where the function has no numba form.
    """
    functions, body = means_text(closed)
    return Means(printed_kernel(body, SIGNATURE, functions), len(closed.jaxpr.outvars))


def means_text(closed: ClosedJaxpr) -> tuple[str, str]:
    """The function of that kernel, and its body."""
    names, count = [f"c{k}" for k in range(len(closed.jaxpr.invars) - 2)], len(closed.jaxpr.outvars)
    lanes = next((n for n in LANES if n * count <= STREAMS), 1)
    skipped = [lane * (CHUNK // lanes) for lane in range(lanes)]
    points = [name for lane in range(lanes) for name in (f"x{lane}", f"y{lane}")]
    printed = [print_jaxpr(closed, [*names, f"x{lane}", f"y{lane}"], f"v{lane}_") for lane in range(lanes)]
    together = zip(*(lines for lines, _ in printed), strict=True)  # side by side
    outputs = {k * CHUNK + s: value for s, (_, found) in zip(skipped, printed, strict=True)
               for k, value in enumerate(found)}  # fmt: skip
    body = _BODY.format(
        unpack="\n".join(f"{name} = coefficients[{k}]" for k, name in enumerate(names)),
        count=count,
        chunk=CHUNK,
        run=CHUNK // lanes,
        points=("\n" + " " * 20).join(
            f"{axis}{k} = {axis}[first + {s} + i] + o{axis}" for k, s in enumerate(skipped) for axis in "xy"
        ),
        inputs=", ".join([*names, *points]),
    )
    lines = [line for lane in together for line in lane]
    return _FUNCTIONS.format(lines="\n".join(lines), inputs=[*names, *points], outputs=outputs), body

