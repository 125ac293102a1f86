"""One flat family of errors: every message is a sentence a user can act on."""

from __future__ import annotations


class SamGeoError(Exception):
    """Anything that went wrong for a reason the user can understand; ``str()`` is fit to show."""


class ParameterError(SamGeoError, ValueError):
    """A parameter is out of its range or contradicts another one."""


class RasterError(SamGeoError):
    """A source can't be opened or read as an image."""


class UnsupportedFormatError(RasterError):
    """A source is readable, but of a kind that is not allowed (VRT, WMS, vector, …)."""


class RasterTooLargeError(RasterError):
    """A source declares more pixels than this installation accepts."""


class WeightsError(SamGeoError):
    """Model weights are missing, can't be fetched, fail their hash, or don't fit the network."""


class ExportError(SamGeoError):
    """A result can't be written in the format asked for."""


class NotFoundError(SamGeoError):
    """An id (scene, run) is unknown, expired, or belongs to somebody else."""


class GoneError(NotFoundError):
    """A shared link was good once: it has expired, or its owner has taken it back."""


class ConflictError(SamGeoError):
    """What was to be changed has been changed by somebody else meanwhile."""


class CancelledError(SamGeoError):
    """The user cancelled; nothing is wrong."""


class DiskFullError(SamGeoError):
    """The server's disk has no room for more."""


class MemoryFullError(SamGeoError):
    """The server's memory has no room for what was asked."""


class NotReadyError(SamGeoError):
    """What is asked for is still being prepared; it can be had a moment later."""


class AddressError(SamGeoError):
    """An address isn't one that this server may fetch from: its form, or where it leads."""


class FetchError(SamGeoError):
    """What lies at an address can't be fetched: not there, too slow, too large, an error."""
