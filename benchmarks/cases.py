"""The cases of ../shared/cases: what the command says of each, and whether that is what it should say.

python benchmarks/cases.py [NAME ...] [--fits] copies each case of ../shared/cases (or of the folder in LENSFIT_SHARED)
to a scratch folder, runs its run.sh, and prints: exit codes, wall seconds, whether codes and words are those of
EXPECTED below, and the first line that speaks of it. Without names all that need no fit, with --fits the others too,
half a CPU minute each. Cases that are not there are named. Exits with 1 where one is not as it should be. LENSFIT in
the environment is the command to try, else the one beside this Python.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

CASES = Path(os.environ.get("LENSFIT_SHARED") or Path(__file__).resolve().parents[2] / "shared") / "cases"
LIMIT = 900.0
"""Seconds after which a case counts as hung, on a busy machine too."""
CODE = re.compile(r"(?:exit |rc=)(-?\d+)$")
"""What run.sh prints of the end of a command."""


class Expected(NamedTuple):
    """codes: exit codes that run.sh prints. words: a pattern that the output holds. never: one that it does not."""

    codes: str
    words: str
    never: str = "Traceback|unexpected"


RAISED = "Killed|unexpected"
"""What a script that calls lensfit and ends in its error does not hold."""
READ: dict[str, Expected] = {
    "alma_casa_image_4axes": Expected("0", "axes of length one left out"),
    "big3000_hang": Expected("0", "mask chosen from the data.*as large as the image allows"),
    "casa_ms_folder": Expected("3 3", r"is a CASA measurement set.*exportuvfits\(vis="),
    "fits_AttributeError_1": Expected("3", "its header is corrupt"),
    "fits_AttributeError_3": Expected("3", "its header says NAXIS = .*no number"),
    "fits_VerifyError_2": Expected("3", "BUNIT of PRIMARY.*corrupt"),
    "fits_naxis_huge_hang": Expected("3", "header says NAXIS ="),
    "hdf5_subarray_memory": Expected("3", "holds or promises more than"),
    "huge_2000px": Expected("0", r"the lens is taken to be the galaxy at \(0\.0"),
    "i2d_zero_border_err0": Expected("3 0 0", "--nan mask to have it done"),
    "info_fifo": Expected("3", "no such file, but a pipe"),
    "info_origin_nan": Expected("3", r"DataError: info.json: .*origin is", RAISED),
    "psf_even": Expected("0", "moved by half a row in Fourier space"),
    "psf_stpsf_four_extensions": Expected("0", r"\[DET_DIST\] is used as the PSF"),
    "psf_sum_overflow": Expected("3", "its sum is inf", RAISED),
    "recipe_chain": Expected("3", "1201 profiles; a model has at most"),
    "recipe_deep": Expected("3", "nested too deep"),
    "report_embeds_any_file": Expected("3", "result.json"),
    "simulate_e2": Expected("3", "an ellipticity is below 1"),
    "simulate_huge": Expected("3", "its square is no number"),
    "simulate_re0": Expected("3", "effective_radius: 0, and it must be above 0"),
    "simulate_shape0": Expected("3", "rows and columns of 1 to"),
    "simulate_te_neg": Expected("3", "an Einstein radius is not negative"),
    "symloop": Expected("3", "links that lead back to themselves"),
    "vis_shape_huge": Expected("3", "pixels; give a smaller field"),
    "visinfo_origin": Expected("3", "origin is '5'"),
    "visinfo_pixel_scale": Expected("3", r"pixel_scale is '0\.02'"),
    "visinfo_primary_beam": Expected("3", "primary_beam is 'x'"),
    "wcs_cd_zero": Expected("", "DataError: .*states no pixel scale", RAISED),
}
"""Cases that need no fit."""
FITS: dict[str, Expected] = {
    "agn_in_lens": Expected("0", "INFO TRUSTED: all"),
    "brighter_neighbour": Expected("4", "NOT TRUSTED"),
    "mask_polarity_lenstronomy": Expected("3 3 3", "leaves out the brightest light.*--mask-is used"),
    "no_lens_light": Expected("4", "NOT TRUSTED"),
    "noise_constant_counts": Expected("3", "it is 1 everywhere, as a map of ones is"),
    "overwrite_deletes_user_files": Expected("3", "is not the folder of a run"),
    "psf_oversampled_odd": Expected("0", "PSF sampled 3 times finer than the data"),
    "psf_pedestal": Expected("4", "47 % of the PSF's light is a constant"),
    "quasar_quad": Expected("4", "NOT TRUSTED"),
    "sky_pedestal": Expected("0", "the sky at the border of the image is 0.304"),
    "trusted_c03_psf_delta": Expected("3", "one pixel holds .* of its light"),
    "trusted_c08_variance_named_sigma": Expected("3", "give --noise-is variance"),
    "trusted_c20_double_source_plane": Expected("4", "NOT TRUSTED"),
    "trusted_i11_bar_ring": Expected("4", "NOT TRUSTED"),
    "trusted_i13_tidal_tail": Expected("4", "NOT TRUSTED"),
    "uvfits_two_freqsel": Expected("0 0", "2 frequency setups"),
    "uvfits_two_sources": Expected("3 3", "give the lens as --field"),
    "vis_weights_times_4": Expected("4", "2.* times too small"),
    "wht_exp_drizzle": Expected("3 3", "--noise-is exposure"),
}
"""Cases whose run.sh fits a lens, or would if its data were taken."""


def ran(case: Path, scratch: Path) -> tuple[str, float]:
    """What a case's run.sh printed, the logs of its fits behind it, and its seconds."""
    folder = scratch / case.name
    shutil.copytree(case, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    beside = Path(sys.executable).with_name("lensfit")
    environment = {"LENSFIT": str(beside), "PYTHON": sys.executable} | os.environ | {"TMPDIR": str(scratch)}
    begun = time.monotonic()
    with (scratch / "said").open("w+b") as said:
        process = subprocess.Popen(["bash", "run.sh"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=said, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        seconds = time.monotonic() - begun
        said.seek(0)
        logs = "".join(path.read_text() for path in sorted(scratch.rglob("log.txt")))
        return said.read().decode(errors="replace") + "\n" + logs, seconds


def codes_of(said: str) -> str:
    """The exit codes in an output, in their order."""
    return " ".join(found[1] for line in said.splitlines() if (found := CODE.search(line)))


def speaks(said: str, words: str) -> str:
    """The first line that holds the words, else the first that is lensfit's or a note."""
    lines = said.splitlines()
    told = [line for line in lines if re.search(words, line)]
    told += [line for line in lines if line.startswith(("lensfit: ", "note", "NOT TRUSTED", "TRUSTED"))]
    return re.sub(r"\s+", " ", told[0]) if told else ""


def as_expected(said: str, expected: Expected) -> bool:
    """Whether codes and words of an output are those expected."""
    return (
        codes_of(said) == expected.codes
        and re.search(expected.words, said) is not None
        and re.search(expected.never, said) is None
    )


def table(cases: Iterable[tuple[str, Expected]]) -> tuple[int, list[str]]:
    """Print the rows; the number of those that are not as expected, and the cases that are not there."""
    wrong, missing = 0, []
    print(f"{'case':34} {'codes':>6} {'seconds':>8}  as expected  what it says")
    for name, expected in cases:
        if not (CASES / name / "run.sh").is_file():
            missing.append(name)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            said, seconds = ran(CASES / name, Path(scratch))
        good = as_expected(said, expected)
        wrong += not good
        line = speaks(said, expected.words)[:150]
        print(f"{name:34} {codes_of(said):>6} {seconds:8.1f}  {'yes' if good else 'NO':11}  {line}", flush=True)
    return wrong, missing


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--fits", action="store_true")
    arguments = parser.parse_args()
    every = READ | FITS
    names = arguments.names or list(every if arguments.fits else READ)
    if unknown := [name for name in names if name not in every]:
        parser.error(f"{', '.join(unknown)}: nothing is expected of them; there are {', '.join(every)}")
    wrong, missing = table((name, every[name]) for name in names)
    if missing:
        print(f"not in {CASES}: {', '.join(missing)}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
