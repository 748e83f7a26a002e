"""Kernel that averages a function of a point over the sub-pixels of blocks of pixels."""
from __future__ import annotations

from jax.extend.core import ClosedJaxpr

from lensfit.native.door import Kernel, Signature, kernel_of
from lensfit.native.printer import print_jaxpr

CHUNK = 64
"""Pixels that one pass works on: the sums of 40 values for that many still lie in the first-level cache."""

SIGNATURE = Signature(
    arguments=(
        ("float64", 1), ("float64", 2), ("float64", 2), ("int32", 1), ("int32", 0), ("float64", 0), ("int32", 2),
    ),
    results=(("float64", 3),),
)
"""coefficients (N,), x and y (B, P), sub-pixels per axis (B,), blocks used, pixel scale, and gather (H, W), the
place of each pixel of the image in the flattened blocks, negative for none. Result: images (K, H, W)."""

_KERNEL = """\
def kernel(coefficients, x, y, oversampling, used, pixel_scale, gather, out):
    {unpack}
    sums = np.empty({count} * {chunk})
    place = np.full(x.size, -1, np.int32)
    for row in range(gather.shape[0]):
        for column in range(gather.shape[1]):
            if gather[row, column] >= 0:
                place[gather[row, column]] = row * gather.shape[1] + column
    out[:] = 0.0
    flat = out.reshape(({count}, gather.size))
    for b in range(used[0]):
        n = oversampling[b]
        step = pixel_scale[0] / n
        for first in range(0, x.shape[1], {chunk}):
            here = place[b * x.shape[1] + first : b * x.shape[1] + first + {chunk}]
            if here[0] < 0:
                break
            sums[:] = 0.0
            for down in range(n):
                oy = (down + 0.5) * step - 0.5 * pixel_scale[0]
                for right in range(n):
                    ox = (right + 0.5) * step - 0.5 * pixel_scale[0]
                    for i in range({chunk}):
                        px = x[b, first + i] + ox
                        py = y[b, first + i] + oy
                        {body}
            share = 1.0 / (n * n)
            for i in range({chunk}):
                if here[i] >= 0:
                    for k in range({count}):
                        flat[k, here[i]] = sums[k * {chunk} + i] * share
"""


def means_kernel(closed: ClosedJaxpr) -> Kernel:
    """The kernel for a function of scalars (coefficients..., x, y) -> values; see SIGNATURE.

    Raises Unprintable where the function has no numba form.
    """
    return kernel_of(means_source(closed), SIGNATURE)


def means_source(closed: ClosedJaxpr) -> str:
    """Source of the kernel for a function of scalars (coefficients..., x, y) -> values.

    Raises Unprintable where the function has no numba form.
    """
    names = [f"c{k}" for k in range(len(closed.jaxpr.invars) - 2)]
    lines, outputs = print_jaxpr(closed, [*names, "px", "py"])
    lines += [f"sums[{k * CHUNK} + i] += {value}" for k, value in enumerate(outputs)]
    return _KERNEL.format(
        unpack="\n    ".join(f"{name} = coefficients[{k}]" for k, name in enumerate(names)) or "pass",
        count=len(outputs),
        chunk=CHUNK,
        body=("\n" + " " * 24).join(lines),
    )
