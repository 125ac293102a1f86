from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from samgeo_core.vectors.fields import FIELDS, field_of, key_text, short_name

DOCS = Path(__file__).resolve().parents[3] / "docs" / "vectors.md"


def test_short_names_are_legal_in_shapefiles_and_differ() -> None:
    shorts = [field.short for field in FIELDS]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,9}", short) for short in shorts)
    assert len(set(shorts)) == len(shorts) == len({field.name for field in FIELDS})


def test_the_documents_tell_every_column() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*) \| (.*) \|$", DOCS.read_text("utf-8"), re.M)
    told = {name: (short, unit.replace("–", ""), meaning) for name, short, unit, meaning in rows}
    for field in FIELDS:
        assert told[field.name] == (field.short, field.unit, field.meaning)


def test_bands_have_columns_of_their_own() -> None:
    field = field_of("std_b12")
    assert field is not None
    assert field.meaning == "standard deviation of band 12 over the valid pixels of the mask"
    assert field_of("std_b") is None
    assert short_name("anything_else") == "anything_else"


def test_a_key_is_a_table() -> None:
    text = key_text(["perimeter_m", "mine"], ["perim_m", "mine"])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["perimeter_m", "mine"]
    assert rows[0]["unit"] == "m"
    assert rows[1]["meaning"] == ""
