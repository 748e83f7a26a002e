"""ln L and its gradient against the peers, in one sitting: python benchmarks/likelihood.py /tmp/peers

Needs the environments of benchmarks/peers/README.md. lensfit is timed before and after them, and the
faster of its two runs counts, as the faster of each peer's two settings does. Prints CPU milliseconds and
ratios to lensfit.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
CODES = ("lenstronomy", "herculens", "jaxtronomy", "autolens")
KEEP = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}


def timed(python, code, mock, settings):
    command = [python, PEERS / f"time_{code}.py", mock]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    environments = Path(sys.argv[1])
    mock = environments / "mock.npz"
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
