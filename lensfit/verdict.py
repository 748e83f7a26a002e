"""The verdict on a fit: checks with their outcomes, and what they make of it together."""
from __future__ import annotations

import dataclasses
from enum import StrEnum


class Outcome(StrEnum):
    """How a check came out; unchecked where what it needs is not known."""

    PASSED = "passed"
    FAILED = "failed"
    UNCHECKED = "unchecked"


@dataclasses.dataclass(frozen=True)
class Check:
    """One question to a fit: its name, how it came out, and the finding in words.

    Attributes:
        name: as `docs/trust.md` lists it.
        outcome: "passed", "failed" or "unchecked".
        finding: what was found, in a sentence with its number and limit.
        essential: a fit is not trusted before this question was put to it.
    """

    name: str
    outcome: Outcome
    finding: str
    essential: bool = True

    @classmethod
    def of(cls, name: str, passed: bool, finding: str, essential: bool = True) -> Check:
        """A check that was made, and whether the answer is good.

        Args:
            name: as `docs/trust.md` lists it.
            passed: whether the answer is good.
            finding: what was found, in a sentence with its number and limit.
            essential: whether a fit is not trusted where the check could not be made.
        """
        return cls(name, Outcome.PASSED if passed else Outcome.FAILED, finding, essential)

    @property
    def passed(self) -> bool:
        """Whether it was made and the answer is good."""
        return self.outcome is Outcome.PASSED


@dataclasses.dataclass(frozen=True)
class Trust:
    """Whether a fit may be believed, and why not.

    Attributes:
        checks: the questions that were put to it, in their order.
    """

    checks: tuple[Check, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that the fit failed."""
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)

    @property
    def unchecked(self) -> tuple[Check, ...]:
        """The essential checks that could not be made."""
        return tuple(c for c in self.checks if c.outcome is Outcome.UNCHECKED and c.essential)

    @property
    def trusted(self) -> bool:
        """Whether at least one check was made, none failed, and no essential one could not be made."""
        return any(check.passed for check in self.checks) and not self.failed and not self.unchecked

    @property
    def word(self) -> str:
        """TRUSTED, NOT TRUSTED where a check failed, else UNCHECKED."""
        if self.failed:
            return "NOT TRUSTED"
        return "TRUSTED" if self.trusted else "UNCHECKED"

    @property
    def headline(self) -> str:
        """The word, and how many checks it rests on."""
        made = sum(check.outcome is not Outcome.UNCHECKED for check in self.checks)
        if self.failed:
            return f"{self.word}: {len(self.failed)} of {made} checks failed"
        if self.trusted:
            return f"{self.word}: all {made} checks passed"
        if not self.checks:
            return f"{self.word}: no check was made of this fit"
        return f"{self.word}: {len(self.unchecked)} of {len(self.checks)} checks could not be made"

    @property
    def reasons(self) -> tuple[str, ...]:
        """The findings of the checks that failed, then of the essential ones that could not be made."""
        return tuple(check.finding for check in (*self.failed, *self.unchecked))
