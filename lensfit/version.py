"""The version of lensfit."""
__version__ = "0.1.0"
