"""What a machine without memory or disk says, whoever says it, is one of two sentences."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

from samgeo_core.errors import DiskFullError, ExportError, MemoryFullError, SamGeoError
from samgeo_core.web.refusals import refusal_of

TOO_MANY = 1 << 45


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFullError),
        (_caused(ExportError("a.gpkg can't be written"), OSError(errno.EDQUOT, "")), DiskFullError),
        (RuntimeError("sqlite3_step() failed: database or disk is full"), DiskFullError),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MemoryFullError),
        (RuntimeError("can't start new thread"), MemoryFullError),
        (OSError(errno.EACCES, "Permission denied"), None),
        (ExportError("“disk is full.tif” can't be written"), None),
        (ValueError("out of range"), None),
    ],
)
def test_the_sentence_of_an_error(error: Exception, kind: type[SamGeoError] | None) -> None:
    told = refusal_of(error)
    assert (told is None) if kind is None else isinstance(told, kind)


def test_real_allocations_that_fail() -> None:
    with pytest.raises(MemoryError) as numpys:
        np.empty(TOO_MANY)
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(TOO_MANY)
    for error in (numpys.value, torchs.value):
        assert isinstance(refusal_of(error), MemoryFullError)
