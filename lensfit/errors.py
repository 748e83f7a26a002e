"""The errors that lensfit raises on purpose, each with what, where and the remedy in its message."""

from lensfit.outside import visible

MOST_SHOWN = 4000
"""Characters of a message: more comes from what a file says."""


class LensfitError(Exception):
    """Base of every error that lensfit raises on purpose. Control characters in its message are made visible."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(visible(word, MOST_SHOWN) if isinstance(word, str) else word for word in words))


class DataError(LensfitError, ValueError):
    """The data cannot be used as they are: the message names the file, the place and the way on."""


class ModelError(LensfitError, ValueError):
    """The model, its priors or its parameters do not fit together."""


class FitError(LensfitError, RuntimeError):
    """A fit could not be made or did not succeed; it is never returned as a result."""
