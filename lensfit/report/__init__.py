"""The report of a run: one HTML file that needs nothing else."""
from lensfit.report.page import report_html, write_report

__all__ = ["report_html", "write_report"]
