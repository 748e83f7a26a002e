"""ln L and its gradient against the peers, in one sitting: python benchmarks/likelihood.py /tmp/peers

Needs the environments of benchmarks/peers/README.md. lensfit is timed before and after them, and the
faster of its two runs counts, as the faster of each peer's two settings does. Prints CPU milliseconds and
ratios to lensfit.
"""

import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
sys.path.insert(0, str(PEERS))

from run_all import CODES, KEEP, made_mock, timed  # noqa: E402


def main():
    environments = Path(sys.argv[1])
    mock = made_mock(environments)
    ours = [timed(sys.executable, "lensfit", mock, {})]
    rows = []
    for code in CODES:
        python = environments / code / "bin" / "python"
        rows.append([timed(python, code, mock, settings) for settings in ({}, KEEP)])
    ours.append(timed(sys.executable, "lensfit", mock, {}))
    best = {key: min(run[key] for run in ours) for key in ("value_cpu_s", "gradient_cpu_s")}
    print(f"{'code':14s} {'ln L [ms]':>10s} {'ratio':>6s} {'with gradient [ms]':>19s} {'ratio':>6s}")
    for runs in [ours, *rows]:
        value, both = (min(run[key] for run in runs) for key in ("value_cpu_s", "gradient_cpu_s"))
        ratios = value / best["value_cpu_s"], both / best["gradient_cpu_s"]
        print(f"{runs[0]['code']:14s} {1e3 * value:10.2f} {ratios[0]:6.1f} {1e3 * both:19.2f} {ratios[1]:6.1f}")


if __name__ == "__main__":
    main()
