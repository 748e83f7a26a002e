"""ln L and its gradient against the peers, in one sitting: python benchmarks/likelihood.py /tmp/peers [SIE|EPL]

Needs the environments of benchmarks/peers/README.md. lensfit is timed before and after them, and the
faster of its two runs counts, as the faster of each peer's two settings does. Prints CPU milliseconds and
ratios to lensfit at equal 4x4 sub-pixels, everywhere; PyAutoLens samples light beyond the mask once a pixel,
so its row is compared with lensfit at that setting, which is printed below it.
"""

import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
sys.path.insert(0, str(PEERS))

from run_all import CODES, KEEP, made_mock, timed  # noqa: E402

KEYS = {"value_cpu_s": 10, "gradient_cpu_s": 19}
"""What is compared, and how wide its column is."""


def main():
    environments = Path(sys.argv[1])
    mock = made_mock(environments)
    mass = (sys.argv[2:] or ["SIE"])[0]
    ours = [timed(sys.executable, "lensfit", mock, {}, mass)]
    rows = []
    for code in CODES:
        python = environments / code / "bin" / "python"
        rows.append([timed(python, code, mock, settings, mass) for settings in ({}, KEEP)])
    ours.append(timed(sys.executable, "lensfit", mock, {}, mass))
    best = {key: min(run[key] for run in ours) for key in KEYS}
    alike = {key: min(run["in_the_mask"][key] for run in ours) for key in KEYS}
    print(f"{'code':24s} {'ln L [ms]':>10s} {'ratio':>6s} {'with gradient [ms]':>19s} {'ratio':>6s}")
    for runs in [ours, *rows]:
        name = runs[0]["code"]
        show(name, {key: min(run[key] for run in runs) for key in KEYS}, alike if name == "PyAutoLens" else best)
    show("lensfit, as PyAutoLens", alike, alike)


def show(name, times, reference):
    """One row: times, and their ratios to the reference's."""
    cells = [f"{1e3 * times[key]:{width}.2f} {times[key] / reference[key]:6.1f}" for key, width in KEYS.items()]
    print(f"{name:24s}", *cells)


if __name__ == "__main__":
    main()
