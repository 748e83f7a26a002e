"""The mock image behind likelihood.json: `mock()` makes data, noise, PSF and mask from numpy alone.

It is also the plain evaluation of docs/conventions that the other codes are compared with, so it imports
nothing of lensfit. What leaves this file is the same bit for bit on every machine: the random numbers are
raw PCG64 words, whose stream numpy guarantees, and each array is rounded to a multiple of a power of two far
above the last-bit differences between implementations of exp and log.

    python make_mock.py mock.npz        writes data, noise, psf, mask, pixel_scale, names, truth
"""

import hashlib
import sys

import numpy as np

SHAPE = (150, 150)
PIXEL_SCALE = 0.031
MASK_RADIUS = 2.0
SUB_PIXELS = 4
PSF_SIZE = 21
EXPOSURE, SKY, READ_NOISE = 1000.0, 0.10, 6.0
SEED = 20260729
DIGEST = "28b44de025826848ae9f29c4a1c1aa04f4a03e84f63b03edf3454bdb16050d33"

CENTER = {"center_x": -0.033, "center_y": 0.021}
TRUTH = {
    "light.bulge": CENTER
    | {"e1": -0.09, "e2": 0.06, "intensity": 0.9, "effective_radius": 0.45, "sersic_index": 3.4},
    "light.disk": CENTER | {"e1": -0.04, "e2": 0.12, "intensity": 0.30, "effective_radius": 1.10},
    "mass.sie": {"center_x": -0.021, "center_y": 0.012, "e1": -0.13, "e2": 0.07, "einstein_radius": 1.2857},
    "mass.shear": {"gamma1": 0.030, "gamma2": -0.025},
    "source.sersic": {
        "center_x": 0.045,
        "center_y": 0.070,
        "e1": -0.08,
        "e2": 0.15,
        "intensity": 0.55,
        "effective_radius": 0.12,
        "sersic_index": 1.2,
    },
}


def parameters(**changes):
    """The truth as a flat dict `light.bulge.center_x: value`, with changes `light__bulge__e1=...` made."""
    flat = {f"{profile}.{name}": value for profile, d in TRUTH.items() for name, value in d.items()}
    changes = {key.replace("__", "."): float(value) for key, value in changes.items()}
    unknown = set(changes) - set(flat)
    if unknown:
        raise KeyError(f"no such parameter: {sorted(unknown)}")
    return flat | changes


def of(flat, profile):
    """The parameters of one profile, by their short names."""
    return {k.rpartition(".")[2]: v for k, v in flat.items() if k.rpartition(".")[0] == profile}


def sersic(x, y, *, center_x, center_y, e1, e2, intensity, effective_radius, sersic_index=1.0):
    """Surface brightness; b_n is the series of Ciotti & Bertin 1999."""
    n = sersic_index
    b = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3)
    b -= 2194697 / (30690717750 * n**4)
    major, minor, q = along_axes(x - center_x, y - center_y, e1, e2)
    radius = np.sqrt(q * major**2 + minor**2 / q)
    return intensity * np.exp(-b * ((radius / effective_radius) ** (1 / n) - 1))


def along_axes(dx, dy, e1, e2):
    """Coordinates along the major and minor axes, and the axis ratio."""
    e, phi = np.hypot(e1, e2), 0.5 * np.arctan2(e2, e1)
    return dx * np.cos(phi) + dy * np.sin(phi), dy * np.cos(phi) - dx * np.sin(phi), (1 - e) / (1 + e)


def sie(x, y, *, center_x, center_y, e1, e2, einstein_radius):
    """Deflection of the singular isothermal ellipsoid of intermediate-axis Einstein radius."""
    major, minor, q = along_axes(x - center_x, y - center_y, e1, e2)
    e, phi = np.hypot(e1, e2), 0.5 * np.arctan2(e2, e1)
    f = 2 * np.sqrt(e) / (1 + e)  # sqrt(1 - q^2) without the cancellation
    psi = np.sqrt(q**2 * major**2 + minor**2)
    if f < 1e-9:  # relative error f^2 / 3
        a_major, a_minor = major / psi, minor / psi
    else:
        a_major, a_minor = np.arctan(f * major / psi) / f, np.arctanh(f * minor / psi) / f
    a_major, a_minor = (einstein_radius * np.sqrt(q) * a for a in (a_major, a_minor))
    return a_major * np.cos(phi) - a_minor * np.sin(phi), a_major * np.sin(phi) + a_minor * np.cos(phi)


def brightness(x, y, flat):
    """Lens light plus lensed source light at points of the image plane."""
    ax, ay = sie(x, y, **of(flat, "mass.sie"))
    g = of(flat, "mass.shear")
    beta_x = x - ax - (g["gamma1"] * x + g["gamma2"] * y)
    beta_y = y - ay - (g["gamma2"] * x - g["gamma1"] * y)
    lens = sersic(x, y, **of(flat, "light.bulge")) + sersic(x, y, **of(flat, "light.disk"))
    return lens + sersic(beta_x, beta_y, **of(flat, "source.sersic"))


def pixel_centers():
    """x and y of every pixel: origin at the array's centre, row 0 at the lowest y."""
    y, x = (PIXEL_SCALE * (np.indices(SHAPE)[k] - (SHAPE[k] - 1) / 2) for k in (0, 1))
    return x, y


def model_image(flat, psf):
    """Mean over the sub-pixels of each pixel, then the PSF at image resolution; dark outside the array."""
    x, y = pixel_centers()
    steps = PIXEL_SCALE * ((np.arange(SUB_PIXELS) + 0.5) / SUB_PIXELS - 0.5)
    sharp = sum(brightness(x + dx, y + dy, flat) for dy in steps for dx in steps) / SUB_PIXELS**2
    return convolve(sharp, psf)


def convolve(image, psf):
    """Convolution by shifting and adding: no FFT, no wrap-around."""
    half = PSF_SIZE // 2
    padded, out = np.pad(image, half), np.zeros(image.shape)
    for i in range(PSF_SIZE):
        for j in range(PSF_SIZE):
            shifted = padded[2 * half - i : 2 * half - i + SHAPE[0], 2 * half - j : 2 * half - j + SHAPE[1]]
            out += psf[i, j] * shifted
    return out


def on_grid(array, bits):
    """Rounded to a multiple of 2^-bits."""
    return np.round(array * 2.0**bits) / 2.0**bits


def point_spread():
    """Obscured 6.5 m aperture at 1.5 um plus two Gaussian wings; sums to 1 exactly, and is not symmetric."""
    fine = 9
    c = (np.arange(PSF_SIZE * fine) - (PSF_SIZE * fine - 1) / 2) * PIXEL_SCALE / fine
    r2 = (c - 0.004)[None, :] ** 2 + (c + 0.002)[:, None] ** 2  # off centre, so a transposed PSF shows
    v = np.pi * np.sqrt(r2 + 1e-18) / np.rad2deg(3600 * 1.5e-6 / 6.5)
    obscured = 0.11
    airy = (2 * bessel_j1(v) / v - obscured * 2 * bessel_j1(obscured * v) / v) / (1 - obscured**2)
    parts = [(0.80, airy**2), (0.15, np.exp(-r2 / 2 / 0.045**2)), (0.05, np.exp(-r2 / 2 / 0.13**2))]
    mixed = sum(weight * part / part.sum() for weight, part in parts)
    psf = on_grid(mixed.reshape(PSF_SIZE, fine, PSF_SIZE, fine).sum((1, 3)), 30)
    psf[PSF_SIZE // 2, PSF_SIZE // 2] += 1 - psf.sum()
    return psf


def bessel_j1(v):
    """J1 from its integral; the trapezoid rule with 128 nodes is exact to rounding for v < 80."""
    tau = np.arange(128) * 2 * np.pi / 128
    return sum(np.cos(t - v * np.sin(t)) for t in tau) / 128


def normal_deviates(count):
    """Box-Muller from raw PCG64 words."""
    words = np.random.PCG64(SEED).random_raw(2 * count)
    u, v = ((words >> np.uint64(11)).astype(float) + 0.5).reshape(2, count) / 2.0**53
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)


def mock():
    """data, noise, psf, mask (True = used); row 0 at the bottom."""
    psf = point_spread()
    x, y = pixel_centers()
    truth = model_image(parameters(), psf)
    noise = on_grid(np.sqrt((truth + SKY) * EXPOSURE + READ_NOISE**2) / EXPOSURE, 24)
    data = on_grid(truth + noise * normal_deviates(noise.size).reshape(SHAPE), 20)
    return {"data": data, "noise": noise, "psf": psf, "mask": x**2 + y**2 <= MASK_RADIUS**2}


def log_likelihood(flat, m):
    """ln L with its normalisation."""
    used = m["mask"]
    residual = ((m["data"] - model_image(flat, m["psf"])) / m["noise"])[used]
    return -0.5 * float(np.sum(residual**2) + np.sum(np.log(2 * np.pi * m["noise"][used] ** 2)))


def digest(m):
    """SHA-256 over the four arrays as little-endian bytes."""
    h = hashlib.sha256()
    for name in ("data", "noise", "psf", "mask"):
        h.update(np.ascontiguousarray(m[name]).astype("?" if name == "mask" else "<f8").tobytes())
    return h.hexdigest()


if __name__ == "__main__":
    made = mock()
    if digest(made) != DIGEST:
        sys.exit(f"this machine made another mock: {digest(made)}")
    flat = parameters()
    np.savez(sys.argv[1], **made, pixel_scale=PIXEL_SCALE, names=list(flat), truth=list(flat.values()))
    print(digest(made), log_likelihood(flat, made))
