"""The posterior of a real lens by three samplers: python benchmarks/real_posterior.py OUT [--n-live 1000]

SLACS J0029-0055 of ../shared/data (or of the folder in LENSFIT_SHARED_DATA), model `flexible`, mask chosen from
the data. The staged fit gives the optimum. Then importance, nuts and nautilus sample one posterior, with normal
priors around the optimum, 5 errors wide, so that the nested sampler comes to an end. OUT gets table.md (means,
widths and effective samples, evidences), posterior.png (the parameters of the mass) and the results; those that
it holds already are not made again.
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from posterior import around
from real_lenses import DATA

from lensfit.analysis import Analysis, Companions, Region, Search, load
from lensfit.fitters.importance import Importance
from lensfit.fitters.nautilus import Nautilus
from lensfit.fitters.nuts import NUTS
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.registry import fit

LENS = DATA / "slacs" / "J0029-0055"
COLOURS = {"importance": "#0072b2", "nuts": "#d55e00", "nautilus": "#009e73"}


def main() -> None:
    """Sample, and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--n-live", type=int, default=1000)
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    begun = Analysis.begin(LENS, "flexible", mass="sie", pixel_scale=0.05, nan="mask").then(Region()).ready()
    best = kept(arguments.out / "staged", lambda: begun.along((Search(), Companions())))
    narrow = around(begun.problem, best)
    chosen: dict[str, tuple[Any, np.ndarray | None]] = {
        "importance": (Importance(effective_samples=2000), best.theta),
        "nuts": (NUTS(samples=1000), best.theta),
        "nautilus": (Nautilus(n_live=arguments.n_live, n_eff=2000), None),
    }
    results = {
        name: kept(arguments.out / name, partial(sampled, begun, narrow, fitter, start))
        for name, (fitter, start) in chosen.items()
    }
    (arguments.out / "table.md").write_text(table(results), encoding="utf-8")
    figure(results).savefig(arguments.out / "posterior.png")


def sampled(begun: Analysis, narrow: Problem, fitter: Any, start: np.ndarray | None) -> Analysis:
    """The posterior of a problem of the same data."""
    return Analysis.of(narrow, fit(narrow, fitter, seed=1, start=start), begun.observation)


def kept(folder: Path, make: Callable[[], Analysis]) -> FitResult:
    """The result in a folder, made and saved there if it is not."""
    if not (folder / "result.json").exists():
        make().save(folder)
    result = load(folder).fitted
    tell(result)
    return result


def tell(result: FitResult) -> None:
    """One line of JSON."""
    size = None if result.diagnostics is None else result.diagnostics.effective_samples
    line = {"fitter": result.fitter, "parameters": len(result.names), "chi2": result.chi2, "pixels": result.data_count,
            "cpu_s": result.cpu_seconds, "effective": size, "evaluations": result.evaluations,
            "log_evidence": result.log_evidence, "log_evidence_error": result.log_evidence_error,
            "trusted": result.trust.trusted, "reasons": result.trust.reasons}  # fmt: skip
    print(json.dumps(line), flush=True)


def table(results: dict[str, FitResult]) -> str:
    """Mean and width of every parameter by each sampler; how far they are apart, in widths of the first."""
    first = results["importance"]
    lines = [f"| parameter | {' | '.join(results)} | largest difference of means, of widths |", "|---" * 5 + "|"]
    for k, name in enumerate(first.names):
        cells, shifts, ratios = [], [], []
        for result in results.values():
            mean = float(np.average(result.samples[:, k], weights=result.weights))  # pyright: ignore
            shifts.append((mean - np.average(first.samples[:, k], weights=first.weights)) / first.errors[k])  # pyright: ignore
            ratios.append(result.errors[k] / first.errors[k] - 1)
            cells.append(f"{mean:.5g} +- {result.errors[k]:.2g}")
        apart = f"{max(shifts, key=abs):+.2f} sigma, {100 * max(ratios, key=abs):+.0f} %"
        lines.append(f"| {name} | {' | '.join(cells)} | {apart} |")
    for words, value in (("effective samples", effective), ("CPU s", lambda r: f"{r.cpu_seconds:.0f}"),
                         ("ln evidence", evidence), ("trusted", lambda r: "yes" if r.trust.trusted else "no")):
        lines.append(f"| {words} | {' | '.join(value(result) for result in results.values())} | |")
    return "\n".join(lines) + "\n"


def effective(result: FitResult) -> str:
    """Of all or, of chains, of the worst parameter."""
    assert result.diagnostics is not None
    return f"{result.diagnostics.effective_samples:.0f}"


def evidence(result: FitResult) -> str:
    """With its error."""
    return "-" if result.log_evidence is None else f"{result.log_evidence:.2f} +- {result.log_evidence_error:.2f}"


def figure(results: dict[str, FitResult]) -> Figure:
    """Histograms of the parameters of the mass."""
    first = results["importance"]
    mass = [k for k, name in enumerate(first.names) if name.startswith("mass.")]
    made = Figure(figsize=(2.3 * ((len(mass) + 1) // 2), 4.4), dpi=150, layout="constrained")
    FigureCanvasAgg(made)
    panels = made.subplots(2, (len(mass) + 1) // 2).flat
    for k, axes in zip(mass, panels, strict=False):
        limits = first.theta[k] + 4 * first.errors[k] * np.array([-1, 1])
        for name, result in results.items():
            axes.hist(result.samples[:, k], 40, range=tuple(limits), weights=result.weights, density=True,  # pyright: ignore
                      histtype="step", color=COLOURS[name], label=name)  # fmt: skip
        unit = f" [{first.units[k]}]" if first.units[k] else ""
        axes.set_xlabel(f"${first.symbols[k]}${unit}", fontsize=8)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.locator_params(axis="x", nbins=4)
    for axes in list(panels):
        axes.set_axis_off()
    made.legend(*made.axes[0].get_legend_handles_labels(), fontsize=8, loc="lower right")
    return made


if __name__ == "__main__":
    main()
