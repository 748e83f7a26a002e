"""Settings checked before a fit begins."""
from __future__ import annotations

from typing import Any

from lensfit.errors import FitError


def at_least(fitter: Any, **lowest: float) -> None:
    """Raise FitError where a setting of a fitter is below its lowest value or no number."""
    for name, low in lowest.items():
        value = getattr(fitter, name)
        kind = int if isinstance(low, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not value >= low:
            what = "whole number" if isinstance(low, int) else "number"
            raise FitError(f"{type(fitter).__name__}: {name} = {value!r} is out of range; give a {what} from {low} on")


def below(fitter: Any, **limits: float) -> None:
    """Raise FitError where a number among the settings of a fitter reaches its limit."""
    for name, limit in limits.items():
        value = getattr(fitter, name)
        if not value < limit:
            raise FitError(f"{type(fitter).__name__}: {name} = {value!r} is out of range; give a number below {limit}")


def one_of(fitter: Any, name: str, choices: tuple[str, ...]) -> None:
    """Raise FitError where a setting is none of the choices."""
    value = getattr(fitter, name)
    if value not in choices:
        raise FitError(f"{type(fitter).__name__}: {name} = {value!r}; give one of {', '.join(choices)}")
