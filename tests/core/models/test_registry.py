"""The table of models is consistent."""

from __future__ import annotations

import re

import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.models.registry import DEFAULT_MODEL, MODELS, model_spec


@pytest.mark.parametrize("name", ["vit_t", "vit_b", "vit_l", "vit_h"])
def test_every_model_is_complete(name):
    spec = model_spec(name)
    assert spec.name == name
    assert re.fullmatch(r"[0-9a-f]{64}", spec.sha256)
    assert spec.url.startswith("https://")
    assert spec.url.endswith(f"/{spec.filename}")
    assert spec.size_bytes > 40_000_000
    assert spec.licence == "Apache-2.0"


def test_hashes_and_files_differ_and_larger_models_come_later():
    specs = list(MODELS.values())
    assert len({s.sha256 for s in specs}) == len({s.filename for s in specs}) == len(specs)
    assert [s.size_bytes for s in specs] == sorted(s.size_bytes for s in specs)
    assert specs[0].name == DEFAULT_MODEL


def test_an_unknown_model_is_told():
    with pytest.raises(ParameterError, match="one of vit_t, vit_b, vit_l, vit_h, got 'sam'"):
        model_spec("sam")
