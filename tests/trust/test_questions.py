"""Every question with facts that pass, facts that fail, and facts that are missing; and the words of the verdict."""

import dataclasses

import numpy as np
import pytest

from lensfit.trust.facts import AgainstProfiles, Facts, Gain, Neighbour, OfBand, Part, Rivals
from lensfit.trust.measures import CounterImage, Left, Measures, Noise, Peak
from lensfit.trust.of_bands import Colours
from lensfit.trust.questions import ALL, IMAGES, PIXELS, PROFILES, QUESTIONS, VISIBILITIES, WITH_PSF, answers
from lensfit.trust.slopes import Slope
from lensfit.trust.unlensed import Unlensed
from lensfit.verdict import Check, Outcome, Trust

SKY = "500 pixels of the sky"


def colours(model=0.5, lens=-0.5, error=0.02):
    """The colour of the arcs is 0.5 all along, that of model and lens light is given."""
    every = np.ones(12)
    return (Colours("VIS", "J", 30 * np.arange(12.0), 0.5 * every, error * every, model * every, lens * every, lens),)


GOOD = {
    "signal": 300.0,
    "explained": 0.98,
    "counter": CounterImage(1.02, 0.03, 80.0),
    "magnification": 5.0,
    "images": 2.6,
    "negative": 0.01,
    "misfit": 1.05,
    "noise": Noise(0.97, 1.02, SKY),
    "left": Left(share=0.1, peak=0.2),
    "pedestal": 0.01,
    "extra": 1.0,
    "even": 0.3,
    "peak": Peak(sigma=3.2, share=0.02, x=0.4, y=-0.3, beams=400.0),
    "unlensed": (Unlensed("core", (0.0, 0.1), (1.0, 0.2), ()),),
    "far": (),
    "slopes": (Slope("mass.epl.slope", 2.1, 0.04, 0.16),),
    "gain": Gain(0.1, 1.0),
    "rivals": Rivals(change=0.001, gap=200.0),
    "neighbours": (
        Neighbour("as fitted", gain=0.0, parameters=0, share=0.0, radius=1.2, counts=True),
        Neighbour("two sources", gain=30.0, parameters=7, share=0.001, radius=1.201, counts=True),
    ),
    "chi2": 1000.0,
    "radius": 1.2,
    "total": 0.005,
    "colours": colours(),
    "bands": (OfBand("VIS", 1.01, 0.0, 1.2), OfBand("J", 1.02, 0.01, 1.21)),
    "against": AgainstProfiles(radius=1.02, flux=0.9, chi2=1.0, wrong=()),
}
"""What is known of a good fit."""


def facts(kind, name="", **changes):
    """What is known of a good fit to one dataset, but for these changes."""
    known = GOOD | changes
    measured = {f.name: known[f.name] for f in dataclasses.fields(Measures)}
    own = {f.name: known[f.name] for f in dataclasses.fields(Facts) if f.name in known}
    return Facts(parts=(Part(name, kind, Measures(**measured)),), **own)


def answer(name, kind, **changes):
    """The check of that name, of a good fit but for these changes."""
    known = facts(kind, **changes)
    two = dataclasses.replace(known, parts=2 * known.parts)
    (check,) = (c for q in QUESTIONS if q.name == name for c in q.checks(two if q.several else known))
    return check


def moved(**changes):
    """The neighbours of a good fit, the second one changed."""
    first, second = GOOD["neighbours"]
    return {"neighbours": (first, dataclasses.replace(second, **changes))}


FAILING = [
    ("lensed source", PROFILES, {"signal": 20.0}, "20.0 (at least 25)"),
    ("lensed source", PIXELS, {"signal": 38.0}, "38.0 (more than 40)"),
    ("arcs explained", PROFILES, {"explained": 0.6}, "explains 60 %"),
    ("counter-image", PROFILES, {"counter": CounterImage(0.5, 0.02, 80.0)}, "0.50 +- 0.02"),
    ("counter-image", PROFILES, {"counter": CounterImage(1.0, 0.02, 2.0)}, "signal over noise 2.0"),
    ("magnified", PROFILES, {"magnification": 1.2}, "magnified 1.2 times"),
    ("multiple images", PIXELS, {"images": 1.1}, "1.10 times on average"),
    ("multiple images", PIXELS, {"images": float("nan")}, "nan times"),
    ("even ring", WITH_PSF, {"even": 0.9}, "90 % as bright as the brightest (less than 60 %)"),
    ("even ring", WITH_PSF, {"even": float("nan")}, "nan %"),
    ("light", PIXELS[:1], {"negative": 0.08}, "it has 8.0 % of its squared signal"),
    ("light", PIXELS[:1], {"negative": float("nan")}, "nan %"),
    ("noise", IMAGES, {"noise": Noise(2.1, 2.2, SKY)}, "noise looks 2.1 times too small"),
    ("noise", IMAGES, {"noise": Noise(0.1, 0.125, SKY)}, "noise looks 8.0 times too large"),
    ("noise", VISIBILITIES, {"noise": Noise(1.6, 1.6, SKY)}, "noise looks 1.6 times too small"),
    ("noise", PIXELS[:1], {"noise": Noise(2.1, 2.2, SKY)}, "noise looks 2.1 times too small"),
    ("noise", PIXELS[1:], {"noise": Noise(1.6, 1.6, SKY)}, "noise looks 1.6 times too small"),
    ("psf", WITH_PSF, {"pedestal": 0.47}, "47 % of the PSF's light is a constant"),
    ("residuals", IMAGES, {"misfit": 26.5}, "26.5 times what the scatter"),
    ("arcs followed", IMAGES, {"left": Left(0.6, 0.0)}, "60 % of the brightness"),
    ("arcs followed", IMAGES, {"left": Left(0.3, 1.4)}, "140 % of their brightest"),
    ("one colour", IMAGES, {"colours": colours(model=1.2)}, "scatters by 0.70 mag"),
    ("colour of the lens", IMAGES, {"colours": colours(lens=0.46)}, "a ring or a shell of the lens galaxy"),
    ("bands agree", IMAGES, {"bands": (OfBand("VIS", 1.0, 0.0, 1.2), OfBand("J", 1.3, 0.1, 1.5))}, "J contradicts"),
    ("dirty residual", VISIBILITIES, {"peak": Peak(9.0, 0.15, 0.4, -0.3, 400.0)}, "+9.0 sigma"),
    ("not lensed", VISIBILITIES, {"unlensed": (Unlensed("far", (0.0, 1.1), (0.1, -0.2), ((0.2, -0.9),)),)},
     "far at (0.00, 1.10) may be an image of a source at (0.10, -0.20), with others at (0.20, -0.90)"),
    ("not lensed", VISIBILITIES, {"unlensed": (Unlensed("far", (0.0, 1.1), (float("nan"), 0.0), ()),)}, "(nan, 0.00)"),
    ("edges", ALL, {"far": ("mass.shear.gamma1 = 0.3 (+4.2)",)}, "mass.shear.gamma1 = 0.3 (+4.2)"),
    ("slope", ALL, {"slopes": (Slope("mass.epl.slope", 2.9, 0.04, 0.16),)}, "of a galaxy lies in 1.2 to 2.8"),
    ("slope", ALL, {"slopes": (Slope("mass.epl.slope", float("nan"), 0.04, 0.16),)}, "= nan"),
    ("optimum", PROFILES, {"gain": Gain(3.0, 1.0)}, "lowered chi2 by 3"),
    ("another seed", ALL, {"rivals": Rivals(0.02, 200.0)}, "2.00 % away"),
    ("next basin", ALL, {"rivals": Rivals(0.0, 4.0)}, "4 in chi2 away"),
    ("neighbouring models", VISIBILITIES, moved(radius=1.4), "lies between 1.2 and 1.4"),
    ("better neighbour", PROFILES, moved(gain=600.0, radius=1.25), "moves the Einstein radius by 0.05"),
    ("better neighbour", PROFILES, moved(gain=600.0, radius=float("nan")), "more than its error of 0.005"),
    ("better neighbour", PROFILES, moved(gain=600.0, share=0.2), "without it 20 % of the arcs are not explained"),
    ("parametric basin", PIXELS, {"against": AgainstProfiles(0.8, 0.9, 1.0, ())}, "20.0 % from that"),
    ("parametric mass", PIXELS, {"against": AgainstProfiles(1.0, 0.9, 1.0, ("gamma1 far out",))}, "gamma1 far out"),
    ("flux", PIXELS, {"against": AgainstProfiles(1.0, 3.0, 1.0, ())}, "3.00 of the flux"),
    ("flux", PIXELS, {"against": AgainstProfiles(1.0, -1.0, 1.0, ())}, "-1.00 of the flux"),
    ("parametric residuals", PIXELS, {"against": AgainstProfiles(1.0, 0.9, 1.2, ())}, "1.20 times"),
    ("parametric residuals", PIXELS, {"against": AgainstProfiles(1.0, 0.9, float("nan"), ())}, "nan times"),
]
EACH = [(name, kind, changes, told) for name, kinds, changes, told in FAILING for kind in kinds]


@pytest.mark.parametrize(("name", "kind", "changes", "told"), EACH, ids=[f"{n}-{k}-{t[:12]}" for n, k, _, t in EACH])
def test_each_question_passes_and_fails_and_is_left_open(name, kind, changes, told):
    assert answer(name, kind).outcome is Outcome.PASSED
    failed = answer(name, kind, **changes)
    assert failed.outcome is Outcome.FAILED and told in failed.finding
    missing = answer(name, kind, **dict.fromkeys(changes))
    assert missing.outcome is Outcome.UNCHECKED and missing.finding


def test_every_question_is_among_these():
    assert {question.name for question in QUESTIONS} == {name for name, *_ in FAILING}


@pytest.mark.parametrize("kind", ALL)
def test_a_good_fit_passes_them_all(kind):
    trust = Trust(tuple(answers(facts(kind))))
    assert trust.trusted and trust.word == "TRUSTED" and trust.reasons == ()


def test_colours_say_nothing_where_noise_is_larger_or_no_lens_light_is_seen():
    assert answer("colour of the lens", "image", colours=colours(lens=0.46, error=0.3)).passed
    assert answer("colour of the lens", "image", colours=colours(lens=np.nan)).passed


def test_noise_that_is_off_is_told_and_may_pass():
    for noise, told in ((Noise(1.6, 1.7, SKY), "1.6 times too small"), (Noise(0.3, 0.4, SKY), "2.5 times too large")):
        check = answer("noise", "image", noise=noise)
        assert check.passed and told in check.finding
    assert "--noise-scale auto" in answer("noise", "visibilities", noise=Noise(2.0, 2.0, SKY)).finding
    assert "agrees" in answer("noise", "image", noise=Noise(0.8, 1.25, SKY)).finding
    assert "agrees" in answer("noise", "image", noise=Noise(0.5, 1.0, SKY)).finding, "correlated noise is no fault"


def test_a_slope_says_how_much_of_it_is_its_prior():
    """A slope that its prior alone decides is no fault of the fit, and is said to be no measurement."""
    for error, told in ((0.08, "25 % of its weight from its prior"), (0.15, "decided by its prior alone"),
                        (float("nan"), "decided by its prior alone")):
        check = answer("slope", "image", slopes=(Slope("mass.epl.slope", 2.05, error, 0.16),))
        assert check.passed and told in check.finding
    assert answer("slope", "image", slopes=()).finding == "no slope of a mass was fitted"


def test_what_no_search_found_is_said_with_the_remedy():
    check = answer("next basin", "image", rivals=None)
    assert "no search says that no other basin is better" in check.finding and "staged" in check.finding
    assert answer("next basin", "image", rivals=Rivals(whole=True)).passed


def test_each_dataset_is_asked_and_named():
    two = facts("image", "F444W")
    bad = dataclasses.replace(two.parts[0].measures, signal=10.0)
    both = dataclasses.replace(two, parts=(*two.parts, Part("alma", "visibilities", bad)))
    checks = answers(both)
    failed = [check.finding for check in checks if check.outcome is Outcome.FAILED]
    assert failed == ["alma: signal over noise of the lensed source is 10.0 (at least 25)"]
    assert [c.finding.split(":")[0] for c in checks if c.name == "magnified"] == ["F444W", "alma"]
    assert len([c for c in checks if c.name == "edges"]) == 1


def test_data_that_nothing_is_asked_of_are_not_trusted():
    two = facts("image", "F444W")
    unknown = dataclasses.replace(two, parts=(*two.parts, Part("stars", "of no kind", Measures())))
    trust = Trust(tuple(answers(unknown)))
    told = "no question is known that could be put to stars, of the kind 'of no kind'"
    assert trust.word == "UNCHECKED" and trust.reasons == (told,)


PASSED, FAILED = Check.of("a", True, "fine"), Check.of("b", False, "too small")
OPEN, ASIDE = (Check("c", Outcome.UNCHECKED, "not looked at", essential) for essential in (True, False))


@pytest.mark.parametrize(
    ("checks", "word", "headline", "reasons"),
    [
        ((PASSED,), "TRUSTED", "TRUSTED: all 1 checks passed", ()),
        ((PASSED, ASIDE), "TRUSTED", "TRUSTED: all 1 checks passed", ()),
        ((PASSED, OPEN), "UNCHECKED", "UNCHECKED: 1 of 2 checks could not be made", ("not looked at",)),
        ((OPEN, FAILED), "NOT TRUSTED", "NOT TRUSTED: 1 of 1 checks failed", ("too small", "not looked at")),
        ((ASIDE,), "UNCHECKED", "UNCHECKED: 0 of 1 checks could not be made", ()),
        ((), "UNCHECKED", "UNCHECKED: no check was made of this fit", ()),
    ],
)
def test_the_verdict_in_words(checks, word, headline, reasons):
    trust = Trust(checks)
    assert (trust.word, trust.headline, trust.reasons) == (word, headline, reasons)
    assert trust.trusted == (word == "TRUSTED")
