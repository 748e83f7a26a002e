"""The questions that are put to a fit: each says by its arguments what has to be known, and how the answer reads.

A new check is one function here. Where one of its arguments is not known the check is unchecked, and its finding says
what was not looked at and how to have it looked at.
"""
from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any

from scipy.special import ndtri

from lensfit.datasets.noise import TOLD
from lensfit.trust.facts import AGREE, AgainstProfiles, Facts, Gain, Neighbour, OfBand, Part, Rivals
from lensfit.trust.measures import CounterImage, Left, Noise, Peak
from lensfit.trust.of_bands import Colours
from lensfit.trust.slopes import Slope
from lensfit.trust.unlensed import Unlensed
from lensfit.verdict import Check, Outcome

LEAST_SIGNAL = 25.0
"""Signal over noise of the whole lensed source below which there is nothing to model."""
LEAST_SIGNAL_ON_PIXELS = 40.0
"""The same of a source on pixels: below it a free one can be anything."""
LEAST_EXPLAINED = 0.75
"""Share of the arcs' chi2 that the source must explain."""
COUNTER_IMAGE = 0.25
"""Most that the amplitude of the negative-parity images may differ from the others', beside its error."""
LEAST_COUNTER_SIGNAL = 5.0
"""Signal over noise that the images of negative parity must have in the model."""
LEAST_MAGNIFICATION = 1.5
LEAST_IMAGES = 1.8
"""Mean number of images of the source's light below which the source is not one seen through a lens."""
MOST_NEGATIVE = 0.05
"""Squared signal of a source where it is negative, over that where it is light, up to which it is a source."""
MOST_EVEN = 0.6
"""Brightest place of the faintest twelfth of a ring, over that of the brightest, from which on it may as well be a ring
of stars: lenses, real and simulated, have at most 0.41, simulated galaxies that are none 0.4 to 0.97."""
GAP = 10.0
"""Least difference in objective between the best basin and the next."""
CHANCE, PEAK_SHARE = 1e-4, 0.12
"""Chance that noise alone leaves so high a residual in any beam of the dirty image, and residual relative to the dirty
image's peak, up to which a model is one of the data: a lens whose faint core is left out leaves 10 % of the peak, the
same without its antennas' phases 14 %."""
STABLE = 0.06
"""Half the range of the Einstein radius over neighbouring models that fit visibilities, relative to it, up to which it
is known."""
FLUX = (0.4, 2.0)
"""Least and largest flux of the lensed source on pixels over that of the parametric fit."""
MOVED = 0.15
"""Relative change of the Einstein radius from that of the parametric fit."""
WORSE = 1.1
"""chi2 over that of the parametric fit."""
TOO_SMALL, TOO_LARGE = 2.0, 6.0
"""Factors by which the noise of an image is off: failed where it is too small, and where it is too large."""
TOO_SMALL_VISIBILITIES = 1.5
"""The same of visibilities, whose noise is well known, where it is too small."""
WEIGHTS_OFF = ", which --noise-scale auto takes out where all weights are off by it"
NOISE: dict[str, tuple[float, str]] = {
    **dict.fromkeys(("image", "pixels image"), (TOO_SMALL, "")),
    **dict.fromkeys(("visibilities", "pixels visibilities"), (TOO_SMALL_VISIBILITIES, WEIGHTS_OFF)),
}
"""By the kind of data: the factor from which on noise that is too small fails, and what mends it."""

PEDESTAL = 0.1
"""Share of a PSF's light that may be a constant below all of it: PSFs of HST and JWST have at most 0.02."""
MISFIT = 20.0
"""chi2 over the number of pixels and the square of their scatter up to which a model of an image does not contradict
it: real galaxies are no Sersic profiles, and right fits of them reach 9.9; a lensed quasar that the model does not
have gives 44."""
LEFT, LEFT_PEAK = 0.5, 1.1
"""Largest share of the brightness of the arcs that may be left, and largest residual as wide as the PSF over the
brightest place of the arcs: right fits of real lenses leave 0.40 and 0.86, a lensed quasar 0.45 and 1.4."""
BETTER, ASKED_FOR = 0.5, 0.1
"""Share of chi2 by which a neighbouring model is better by far, and share of the lensed signal that the arcs are then
not explained without: neighbours of real lenses lower chi2 by up to 0.46 of it, a second source beside a lensed quasar
by 0.71, which is 0.15 of the signal."""
SLOPES = (1.2, 2.8)
"""Least and largest slope of a mass: at 1 it does not fall off at all, at 3 it is infinite, and galaxies that were
measured have 1.5 to 2.6."""

ONE_COLOUR = 0.5
"""Scatter [mag] of the colour of the arcs about the model's up to which they are of one source."""
LENS_COLOUR = 0.1
"""Difference [mag] of the arcs' colour from that of the lens light from which on they are no stars of the lens."""
CONTRADICTS = 1.1
"""chi2 of a band in the fit of all over that in a fit of it alone from which on it contradicts the others."""

PROFILES, PIXELS = ("image", "visibilities"), ("pixels image", "pixels visibilities")
IMAGES, WITH_PSF = ("image",), ("image", "pixels image")
VISIBILITIES = ("visibilities",)
ALL = PROFILES + PIXELS

Answer = tuple[bool, str]


@dataclasses.dataclass(frozen=True)
class Question:
    """A check that can be made: asked of each dataset of these `kinds`, or `once` of a fit that has one of them, or
    `several`.

    ask: from what is known, by the names of its arguments, to whether the answer is good and the finding.
    unknown: the finding where something of that is not known.
    """

    name: str
    kinds: tuple[str, ...]
    once: bool
    several: bool
    essential: bool
    unknown: str
    ask: Callable[..., Answer]

    def checks(self, facts: Facts) -> list[Check]:
        """The answers of a fit, or of each of its datasets."""
        asked = [part for part in facts.parts if part.kind in self.kinds]
        if self.several and len(asked) < 2:
            return []
        return [self._check(facts, part) for part in (asked[:1] if self.once else asked)]

    def _check(self, facts: Facts, part: Part) -> Check:
        about = f"{part.name}: " if part.name and not self.once else ""
        known = {name: _known(facts, part, name) for name in inspect.signature(self.ask).parameters}
        if any(value is None for value in known.values()):
            return Check(self.name, Outcome.UNCHECKED, about + self.unknown, self.essential)
        passed, finding = self.ask(**known)
        return Check.of(self.name, bool(passed), about + finding, self.essential)


def _known(facts: Facts, part: Part, name: str) -> Any:
    """A fact of a fit or of one of its datasets, None where it is not known."""
    holder = next(h for h in (part, part.measures, facts) if name in {f.name for f in dataclasses.fields(h)})
    return getattr(holder, name)


QUESTIONS: list[Question] = []
"""In the order in which they are asked."""


def answers(facts: Facts) -> list[Check]:
    """The answers to all questions; a dataset of a kind that no essential question is put to is unchecked."""
    checks = [check for question in QUESTIONS for check in question.checks(facts)]
    looked_at = {kind for q in QUESTIONS if q.essential and not q.once for kind in q.kinds}
    for part in facts.parts:
        if part.kind not in looked_at:
            told = f"no question is known that could be put to {part.name or 'the data'}, of the kind {part.kind!r}"
            checks.append(Check("lens", Outcome.UNCHECKED, told))
    return checks


def question(
    name: str, kinds: tuple[str, ...], *, once: bool = False, several: bool = False, essential: bool = True,
    unknown: str,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Put a function to the questions, see `Question`."""

    def added(ask: Callable[..., Answer]) -> Callable[..., Answer]:
        QUESTIONS.append(Question(name, kinds, once, several, essential, unknown, ask))
        return ask

    return added


@question("lensed source", PROFILES, unknown="the signal of the lensed source is not known")
def lensed_source(signal: float) -> Answer:
    """Is there a lensed source at all?"""
    least = f"at least {LEAST_SIGNAL:.0f}"
    return signal > LEAST_SIGNAL, f"signal over noise of the lensed source is {signal:.1f} ({least})"


@question("lensed source", PIXELS, unknown="the signal of the lensed source is not known")
def lensed_source_on_pixels(signal: float) -> Answer:
    """The same of a source that can be anything."""
    least = f"more than {LEAST_SIGNAL_ON_PIXELS:.0f}"
    return signal > LEAST_SIGNAL_ON_PIXELS, f"signal over noise of the lensed source is {signal:.1f} ({least})"


@question("arcs explained", PROFILES, unknown="what the source explains is not known")
def arcs_explained(explained: float) -> Answer:
    """Does the source explain what the lens light leaves?"""
    share, least = 100 * explained, 100 * LEAST_EXPLAINED
    told = f"the source explains {share:.0f} % of what lens light leaves (at least {least:.0f} %)"
    return explained > LEAST_EXPLAINED, told


@question("counter-image", PROFILES, unknown="the images of negative parity are not known")
def counter_image(counter: CounterImage) -> Answer:
    """Are the images on the other side as bright as they must be?"""
    tolerance = COUNTER_IMAGE + 3 * counter.error
    return counter.signal > LEAST_COUNTER_SIGNAL and abs(counter.amplitude - 1) < tolerance, (
        f"the images of negative parity, signal over noise {counter.signal:.1f}, come out at "
        f"{counter.amplitude:.2f} +- {counter.error:.2f} of what the others predict (1 expected)"
    )


@question("magnified", PROFILES, unknown="the magnification is not known")
def magnified(magnification: float) -> Answer:
    """Is the source lensed?"""
    return magnification > LEAST_MAGNIFICATION, (
        f"the source is magnified {magnification:.1f} times (at least {LEAST_MAGNIFICATION})"
    )


@question("multiple images", PIXELS, unknown="how often the source is seen is not known")
def multiple_images(images: float) -> Answer:
    """Is the source seen more than once?"""
    return images > LEAST_IMAGES, (
        f"the source's light is seen {images:.2f} times on average (more than {LEAST_IMAGES}: what is seen once are "
        "the arcs themselves)"
    )


@question("even ring", WITH_PSF, once=True, unknown="where the lens is, is not known")
def ring_is_not_even(even: float, parts: tuple[Part, ...]) -> Answer:
    """Have the arcs a shape that a ring of stars has not? Of several data their colours tell."""
    told = f"the faintest part of the ring about the lens is {100 * even:.0f} % as bright as the brightest"
    if len(parts) > 1:
        return True, f"{told}, and further data tell whether it is one of stars"
    told = f"{told} (less than {100 * MOST_EVEN:.0f} %)"
    if even < MOST_EVEN:
        return True, told
    return False, f"{told}: a ring of stars of the galaxy looks the same, and another band tells them apart"


@question("light", ("pixels image",), unknown="where the source is negative is not known")
def source_is_light(negative: float) -> Answer:
    """Is the source light, or does it make up for what the lens light has too much of?"""
    return negative < MOST_NEGATIVE, (
        f"where the source is negative it has {100 * negative:.1f} % of its squared signal (less than "
        f"{100 * MOST_NEGATIVE:.0f} %: light is not negative, but takes away what lens light has too much of)"
    )


@question("noise", tuple(NOISE), unknown="the scatter of the data is not known: use pixels without lens and arcs too")
def noise_is_what_it_says(noise: Noise, kind: str) -> Answer:
    """Is the noise what it says?"""
    limit, remedy = NOISE[kind]
    if noise.least > TOLD:
        told, factor, most = "too small", noise.least, limit
    elif noise.most < 1 / TOLD:
        told, factor, most = "too large", 1 / noise.most, TOO_LARGE
    else:
        return True, f"the noise agrees with the scatter of {noise.where}: {noise.most:.2f} of what is stated"
    return factor < most, (
        f"noise looks {factor:.1f} times {told} against the scatter of {noise.where} (less than {most:g}): check what "
        f"its file holds; errors are wrong by that factor{remedy}"
    )


@question("psf", WITH_PSF, unknown="the PSF is not known")
def psf(pedestal: float) -> Answer:
    """Does the PSF fall off to its edge?"""
    told = f"{100 * pedestal:.0f} % of the PSF's light is a constant below all of it (less than {100 * PEDESTAL:.0f} %)"
    return pedestal < PEDESTAL, told if pedestal < PEDESTAL else f"{told}: subtract its background"


@question("residuals", IMAGES, unknown="how far the model misses the data is not known")
def residuals(misfit: float) -> Answer:
    """Is the model one of the data?"""
    return misfit < MISFIT, (
        f"chi2 per pixel is {misfit:.3g} times what the scatter of the sky gives (less than {MISFIT:g}): "
        + ("the model fits" if misfit < MISFIT else "the data have more than the model, or another PSF")
    )


@question("arcs followed", IMAGES, unknown="what is left on the arcs is not known")
def arcs_followed(left: Left) -> Answer:
    """Is what the fit leaves on the arcs small beside them?"""
    return left.share < LEFT and left.peak < LEFT_PEAK, (
        f"{100 * left.share:.0f} % of the brightness of the arcs is left, and no more than {100 * left.peak:.0f} % of "
        f"their brightest place in one peak (less than {100 * LEFT:.0f} % and {100 * LEFT_PEAK:.0f} %)"
    )


NO_COLOUR = "the arcs do not stand out of the noise in two bands"


@question("one colour", IMAGES, once=True, several=True, unknown=NO_COLOUR)
def one_colour(colours: tuple[Colours, ...]) -> Answer:
    """Is the colour along the images that which one source would have?"""
    most = max(colours, key=lambda one: one.off_the_model)
    return most.off_the_model < ONE_COLOUR, (
        f"along the images {most.first} - {most.second} scatters by {most.off_the_model:.2f} mag about what the model "
        f"of one lensed source has (less than {ONE_COLOUR:g})"
    )


@question("colour of the lens", IMAGES, once=True, several=True, unknown=NO_COLOUR)
def colour_of_the_lens(colours: tuple[Colours, ...]) -> Answer:
    """Have the arcs another colour than the lens light among them, as stars of the lens galaxy would not?"""
    lit = [one for one in colours if not math.isnan(one.off_the_lens)]
    if not lit:
        return True, "no lens light is among the arcs"
    most = max(lit, key=lambda one: one.off_the_lens)
    passed = most.off_the_lens > LENS_COLOUR or min(one.noise for one in lit) > LENS_COLOUR
    told = (
        f"{most.first} - {most.second} of the arcs differs by {most.off_the_lens:.2f} +- {most.noise:.2f} mag from "
        f"that of the lens light among them (more than {LENS_COLOUR:g})"
    )
    return passed, told if passed else f"{told}: they may be a ring or a shell of the lens galaxy"


@question("bands agree", IMAGES, once=True, several=True, essential=False,
          unknown="no band was fitted alone: staged fits them")
def bands_agree(bands: tuple[OfBand, ...]) -> Answer:
    """Does the fit of all explain each band nearly as well as a fit of it alone?"""
    told = "; ".join(
        f"{b.name}: chi2 {100 * (b.worse - 1):.1f} % above its own best, where the Einstein radius is {b.radius:.4g}"
        for b in bands
    )
    odd = [b.name for b in bands if not b.worse < CONTRADICTS + b.chance]
    limit = f"less than {100 * (CONTRADICTS - 1):.0f} % beside what noise gives"
    return not odd, f"{told} ({limit})" if not odd else f"{told} ({limit}): {', '.join(odd)} contradicts the others"


@question("dirty residual", VISIBILITIES, unknown="the dirty residual is not known")
def dirty_residual(peak: Peak) -> Answer:
    """Does the model leave anything large?"""
    most = -float(ndtri(0.5 * CHANCE / max(peak.beams, 1.0)))
    passed = abs(peak.sigma) < most or peak.share < PEAK_SHARE
    remedy = "fit the antennas' phases too (--antenna-phases), or a model with a further component (--standard)"
    return passed, (
        f"the dirty image less the model's is largest at ({peak.x:.2f}, {peak.y:.2f}) arcsec: {peak.sigma:+.1f} sigma, "
        f"{100 * peak.share:.0f} % of the peak (less than {most:.1f} sigma, which noise alone leaves in one of "
        f"{peak.beams:.0f} beams once in {1 / CHANCE:.0f} fits, or {100 * PEAK_SHARE:g} %)"
        + ("" if passed else f"; {remedy}")
    )


@question("not lensed", VISIBILITIES, unknown="where light that is not lensed would be seen again is not known")
def not_lensed(unlensed: tuple[Unlensed, ...]) -> Answer:
    """Is light that the model takes not to be lensed no image of a source?"""
    odd = [one for one in unlensed if one.others or not all(map(math.isfinite, one.source))]
    if not odd:
        return True, "no light is taken not to be lensed of which the mass would show more images"
    told = "; ".join(
        f"{one.name} at {_place(one.place)} may be an image of a source at {_place(one.source)}, with others at "
        + ", ".join(map(_place, one.others))
        for one in odd
    )
    return False, f"{told} [arcsec]: taken not to be lensed, it may hide that the mass is wrong"


def _place(place: tuple[float, float]) -> str:
    return f"({place[0]:.2f}, {place[1]:.2f})"


@question("edges", ALL, once=True, unknown="where the parameters are in their priors is not known")
def edges(far: tuple[str, ...]) -> Answer:
    """Is anything far out in its prior?"""
    told = f"far out in their priors [widths]: {', '.join(far)}; widen the prior if these are right"
    return not far, told if far else "no parameter is far out in its prior"


@question("slope", ALL, once=True, unknown="which slopes were fitted is not known")
def slope(slopes: tuple[Slope, ...]) -> Answer:
    """Is the slope of the mass one that a galaxy has?"""
    if not slopes:
        return True, "no slope of a mass was fitted"
    odd = [s.name for s in slopes if not SLOPES[0] < s.value < SLOPES[1]]
    told = "; ".join(map(str, slopes))
    limits = f"{SLOPES[0]:g} to {SLOPES[1]:g}"
    return not odd, told if not odd else f"{told}; {', '.join(odd)} of a galaxy lies in {limits}"


@question("optimum", PROFILES, once=True, unknown="nothing says whether going on lowers chi2")
def optimum(gain: Gain) -> Answer:
    """Has the descent arrived?"""
    return gain.fell < gain.most, f"going on lowered chi2 by {gain.fell:.2g} (less than {gain.most:g})"


WHOLE = "the sampler explored the whole prior and ended by its own criterion"
NO_SEARCH = "no search says that {}: fit with staged, or give its result as start"


@question("another seed", ALL, once=True, unknown=NO_SEARCH.format("other random numbers end here too"))
def another_seed(rivals: Rivals) -> Answer:
    """Does a search with other random numbers end there too?"""
    if rivals.whole:
        return True, WHOLE
    return rivals.change < AGREE, (
        f"a search from another seed ends at an Einstein radius {100 * rivals.change:.2f} % away "
        f"(less than {100 * AGREE:g} %)"
    )


@question("next basin", ALL, once=True, unknown=NO_SEARCH.format("no other basin is better"))
def next_basin(rivals: Rivals) -> Answer:
    """Is the second best answer clearly worse?"""
    if rivals.whole:
        return True, WHOLE
    if rivals.gap == float("inf"):
        return True, "no other basin came near"
    return rivals.gap > GAP, f"the next best basin is {rivals.gap:.0f} in chi2 away (at least {GAP:.0f})"


@question("neighbouring models", VISIBILITIES, once=True, essential=False,
          unknown="no neighbouring model was fitted: staged fits them")
def neighbouring_models(neighbours: tuple[Neighbour, ...]) -> Answer:
    """Do models that fit as well agree?"""
    radii = [n.radius for n in neighbours if n.counts]
    share = 0.5 * (max(radii) - min(radii)) / radii[0]
    return share < STABLE, (
        f"over {len(radii)} models that fit the Einstein radius lies between {min(radii):.4g} and {max(radii):.4g}, "
        f"+- {100 * share:.1f} % (less than {100 * STABLE:g} %)"
    )


@question("better neighbour", PROFILES, once=True, essential=False,
          unknown="no neighbouring model was fitted: staged fits them")
def better_neighbour(neighbours: tuple[Neighbour, ...], chi2: float, radius: float, total: float) -> Answer:
    """Do the data ask for another model?"""
    best = max(neighbours, key=lambda n: n.gain)
    moved = abs(best.radius - radius)
    told = (
        f"the neighbouring model {best.name!r} lowers chi2 by {best.gain:.0f}, {100 * best.gain / chi2:.0f} % of it, "
        f"with {best.parameters} more parameters, and moves the Einstein radius by {moved:.2g} arcsec"
    )
    if best.gain > BETTER * chi2 and best.share > ASKED_FOR:
        return False, f"{told}: without it {100 * best.share:.0f} % of the arcs are not explained"
    if best.gain > BETTER * chi2 and not moved < total:
        return False, f"{told}, more than its error of {total:.2g}: the data ask for that model"
    return True, told if best.gain > 0 else "no neighbouring model fits better"


WITHOUT = "the parametric fit that it began at is not known: start at the fit of profiles"


@question("parametric mass", PIXELS, once=True, unknown=WITHOUT)
def parametric_mass(against: AgainstProfiles) -> Answer:
    """Was the mass in order before the source went onto pixels?"""
    told = f"the fit of profiles that it began at had: {'; '.join(against.wrong)}"
    return not against.wrong, told if against.wrong else "nothing was wrong with the mass in the fit of profiles"


@question("parametric basin", PIXELS, once=True, unknown=WITHOUT)
def parametric_basin(against: AgainstProfiles) -> Answer:
    """Is the Einstein radius that of the parametric fit?"""
    moved = abs(against.radius - 1)
    return moved < MOVED, (
        f"the Einstein radius is {100 * moved:.1f} % from that of the parametric fit (less than {100 * MOVED:.0f} %)"
    )


@question("flux", PIXELS, once=True, unknown=WITHOUT)
def flux(against: AgainstProfiles) -> Answer:
    """Is the source as bright as in the parametric fit?"""
    limits = f"{FLUX[0]} to {FLUX[1]}"
    return FLUX[0] < against.flux < FLUX[1], (
        f"the lensed source has {against.flux:.2f} of the flux that it has in the parametric fit ({limits})"
    )


@question("parametric residuals", PIXELS, once=True, unknown=WITHOUT)
def parametric_residuals(against: AgainstProfiles) -> Answer:
    """Does it fit as well as profiles do?"""
    return against.chi2 < WORSE, (
        f"chi2 is {against.chi2:.2f} times that of the parametric fit (less than {WORSE}: a mesh that is too coarse, "
        "or held too firmly, cannot follow the arcs)"
    )
