"""The errors that lensfit raises on purpose, each with what, where and the remedy in its message."""


class LensfitError(Exception):
    """Base of every error that lensfit raises on purpose."""


class DataError(LensfitError, ValueError):
    """The data cannot be used as they are: the message names the file, the place and the way on."""


class ModelError(LensfitError, ValueError):
    """The model, its priors or its parameters do not fit together."""


class FitError(LensfitError, RuntimeError):
    """A fit could not be made or did not succeed; it is never returned as a result."""
