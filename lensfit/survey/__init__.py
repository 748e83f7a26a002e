"""Thousands of lenses: from a catalogue to a table with verdicts, on one machine or a cluster of dask."""
from lensfit.survey.attempt import Task
from lensfit.survey.catalogue import OPTIONS, Lens, read_catalogue
from lensfit.survey.run import Survey, analyse_many
from lensfit.survey.tally import Lines, SurveyProgress, Tally, unseen

__all__ = [
    "OPTIONS",
    "Lens",
    "Lines",
    "Survey",
    "SurveyProgress",
    "Tally",
    "Task",
    "analyse_many",
    "read_catalogue",
    "unseen",
]
