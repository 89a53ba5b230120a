"""Every error theodolite raises on purpose.

A message says what was given, what is needed and what to do next. The command line prints it without a
traceback and exits with the error's `exit_code`. Each class also derives from the builtin a caller would expect.
"""


class TheodoliteError(Exception):
    """Base of all deliberate errors; `exit_code` is what the command line returns for it."""

    exit_code = 1


class ParameterError(TheodoliteError, ValueError):
    """A parameter is outside its range, or parameters contradict each other."""

    exit_code = 2


class PointsError(TheodoliteError, ValueError):
    """The points cannot be measured: too few, not finite, all equal, of the wrong shape."""


class NotFoundError(TheodoliteError, FileNotFoundError):
    """A file, folder, tensor, model, revision or run that was named does not exist."""

    def __str__(self) -> str:
        """Return the message alone (`FileNotFoundError` would quote it)."""
        return str(self.args[0]) if self.args else ""


class FormatError(TheodoliteError, ValueError):
    """A file exists but is truncated, inconsistent or of an unknown format."""


class UnsafeFileError(FormatError):
    """A file would have to run code, or write outside its folder, to be read."""


class ReferenceSyntaxError(TheodoliteError, ValueError):
    """A reference does not follow the grammar `[scheme:]location[@revision][#selector]`."""

    exit_code = 2


class RemoteError(TheodoliteError, ConnectionError):
    """A server cannot be reached, refuses access, breaks off, or contradicts itself."""


class RunError(TheodoliteError, RuntimeError):
    """A run folder cannot be used: another config, another driver, unwritable, damaged."""


class GeometryWarning(UserWarning):
    """Something was dropped, clipped or approximated; the same fact is a field of the result."""


class RunWarning(UserWarning):
    """Units of a run failed; the same is said in `Run.warnings`, and unit by unit in `Run.failures()`."""
