"""The engine's arithmetic is tested as torch does it and as it is compiled."""

from __future__ import annotations

import pytest

from samgeo_core.engine.kernels import Kernels, find_kernels


@pytest.fixture(params=["torch", "compiled"])
def kernels(request: pytest.FixtureRequest) -> Kernels | None:
    """None, so that torch computes, and the compiled kernels where there is a compiler."""
    if request.param == "torch":
        return None
    if (found := find_kernels()) is None:
        pytest.skip("no C compiler")
    return found
