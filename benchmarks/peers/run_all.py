"""Run the four scripts, each in its own environment and with both allocator settings, and write results.json.

python run_all.py /tmp/peers    with the environments /tmp/peers/{lenstronomy,herculens,jaxtronomy,autolens}
"""

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CODES = ("lenstronomy", "herculens", "jaxtronomy", "autolens")
KEEP = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}


def made_mock(environments):
    """The data that every code is timed on, made anew."""
    mock = environments / "mock.npz"
    python = environments / CODES[0] / "bin" / "python"
    subprocess.run([python, HERE.parents[1] / "tests" / "reference" / "make_mock.py", mock], check=True)
    return mock


def timed(python, code, mock, settings, mass="SIE"):
    command = [python, HERE / f"time_{code}.py", mock, mass]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    field = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    cpu = f"{field['model name']}, family {field['cpu family']} model {field['model']}"
    return f"{cpu}, {os.cpu_count()} virtual cores shared with other jobs, one used; {platform.platform()}"


def rounded(value):
    if isinstance(value, dict):
        return {k: float(f"{v:.3g}") if k.endswith("_cpu_s") else rounded(v) for k, v in value.items()}
    return value


if __name__ == "__main__":
    environments = Path(sys.argv[1])
    mock = made_mock(environments)
    runs = []
    for code in CODES:
        for settings in ({}, KEEP):
            runs.append(rounded(timed(environments / code / "bin" / "python", code, mock, settings)))
            top = {k: v for k, v in runs[-1].items() if k != "settings"}
            print(json.dumps(top), flush=True)
    about = {
        "machine": machine(),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "repeats": "median of 21 CPU times",
    }
    text = ",\n".join(json.dumps(run) for run in runs)
    (HERE / "results.json").write_text(json.dumps(about)[:-1] + ', "runs": [\n' + text + "\n]}\n")
