"""Fitters measured against each other on one problem: what they cost, and how near they come."""
from lensfit.comparison.runs import Comparison, Run, compare
from lensfit.comparison.tables import markdown, write_comparison

__all__ = ["Comparison", "Run", "compare", "markdown", "write_comparison"]
