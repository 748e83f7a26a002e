"""Observed data, checked at the door, and the readers and writers of their files."""

from lensfit.datasets.imaging import Imaging

__all__ = ["Imaging"]
