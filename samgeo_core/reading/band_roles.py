"""What the bands of a file show: red, near infrared and so on, as far as the file tells.

Names of roles follow the common names of STAC's EO extension
(https://github.com/stac-extensions/eo#common-band-names), with swir1 and swir2 for its swir16 and
swir22, as products name them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Roles = tuple[str | None, ...]

ROLES = (
    *("coastal", "blue", "green", "yellow", "red", "rededge", "rededge2", "rededge3"),
    *("nir", "nir08", "nir09", "cirrus", "swir1", "swir2", "pan", "thermal"),
)

_SYNONYMS = {
    **{name: name for name in ROLES},
    **dict.fromkeys(("coastal_blue", "coastal_aerosol", "ultra_blue", "aerosol"), "coastal"),
    **dict.fromkeys(("near_infrared", "nearinfrared", "near_ir", "infrared", "nir1", "n"), "nir"),
    **dict.fromkeys(("red_edge", "rededge1", "red_edge_1", "rededge71", "re"), "rededge"),
    **dict.fromkeys(("red_edge_2",), "rededge2"),
    **dict.fromkeys(("red_edge_3",), "rededge3"),
    **dict.fromkeys(("swir16", "swir_1", "swir", "shortwave_infrared_1"), "swir1"),
    **dict.fromkeys(("swir22", "swir_2", "shortwave_infrared_2"), "swir2"),
    **dict.fromkeys(("nir_narrow", "narrow_nir", "nir2"), "nir08"),
    **dict.fromkeys(("panchromatic",), "pan"),
    **dict.fromkeys(("lwir", "lwir11", "tir", "tirs1"), "thermal"),
    **{"r": "red", "g": "green", "b": "blue"},
}

_SENTINEL2 = {
    **{"1": "coastal", "2": "blue", "3": "green", "4": "red", "5": "rededge", "6": "rededge2"},
    **{"7": "rededge3", "8": "nir", "8A": "nir08", "9": "nir09", "10": "cirrus"},
    **{"11": "swir1", "12": "swir2"},
}
_LANDSAT_8 = dict(
    zip(
        map(str, range(1, 11)),
        ["coastal", "blue", "green", "red", "nir", "swir1", "swir2", "pan", "cirrus", "thermal"],
        strict=True,
    )
)
_LANDSAT_7 = dict(
    zip(
        map(str, range(1, 9)),
        ["blue", "green", "red", "nir", "swir1", "thermal", "swir2", "pan"],
        strict=True,
    )
)
"""Bands by number: https://sentiwiki.copernicus.eu/web/s2-mission and
https://www.usgs.gov/faqs/what-are-band-designations-landsat-satellites."""

_WAVES_NM = (
    *((400, 450, "coastal"), (450, 515, "blue"), (515, 585, "green"), (585, 620, "yellow")),
    *((620, 690, "red"), (690, 790, "rededge"), (790, 900, "nir"), (900, 1000, "nir09")),
    *((1350, 1400, "cirrus"), (1550, 1750, "swir1"), (2080, 2350, "swir2")),
    *((10_000, 13_000, "thermal"),),
)
_WAVE = re.compile(r"(\d+(?:\.\d+)?) ?(nm|um|µm|μm|micrometers)\b", re.IGNORECASE)
_WAVE_TAGS = ("CENTRAL_WAVELENGTH_UM", "CENTRAL_WAVELENGTH", "CENTER_WAVELENGTH", "WAVELENGTH")
_NAME_TAGS = ("COMMON_NAME", "EO:COMMON_NAME", "BANDNAME", "BAND_NAME", "NAME")
_NUMBERED = re.compile(r"(?:SR_|ST_|TOA_)?B(?:AND)?[ _]?0?(\d{1,2}A?)", re.IGNORECASE)


def roles_of(dataset: Any, name: str) -> Roles:
    """What each band of an open dataset shows, None where the file doesn't tell.

    Looked at are, in this order: names in the bands' tags and descriptions, numbers of Sentinel-2
    and Landsat bands, wavelengths, colour interpretation, and for four bands the products that
    are told by the file's name.

    Args:
        dataset: an open `rasterio.DatasetReader`.
        name: of the file.
    """
    try:
        texts = [text or "" for text in dataset.descriptions]
    except UnicodeDecodeError:
        texts = [""] * dataset.count
    tags = [_tags(dataset, band) for band in dataset.indexes]
    colours = [colour.name for colour in dataset.colorinterp]
    numbers = _numbering(texts, name, dataset.tags())
    found = [
        _role(text, tag, colour, numbers)
        for text, tag, colour in zip(texts, tags, colours, strict=True)
    ]
    return _by_product(found, colours, name)


def role_named(text: str) -> str | None:
    """The role that a word means, such as "Near Infrared" or "swir16"; None for none."""
    return _SYNONYMS.get(re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_"))


def role_of_wavelength(nm: float) -> str | None:
    """The role of a band whose middle lies at this wavelength, nm."""
    return next((role for low, high, role in _WAVES_NM if low <= nm < high), None)


def bands_of_roles(roles: Roles) -> dict[str, int]:
    """The first band (1-based) of each role that is there."""
    return {role: i for i, role in reversed([*enumerate(roles, start=1)]) if role is not None}


def _role(
    text: str, tags: Mapping[str, str], colour: str, numbers: Mapping[str, str] | None
) -> str | None:
    if colour == "alpha":
        return None
    for word in (*(tags.get(key, "") for key in _NAME_TAGS), text):
        if role := role_named(word) or _role_in(word):
            return role
    if numbers and (match := _NUMBERED.match(text.strip())):
        return numbers.get(match[1].upper())
    if (nm := _wavelength_nm(text, tags)) is not None and (role := role_of_wavelength(nm)):
        return role
    return _SYNONYMS.get(colour)


def _role_in(text: str) -> str | None:
    """The role of a description like "Red (B4)" or "B04 - red": the one word that is known."""
    words = [role for word in re.findall(r"\w{3,}", text) if (role := role_named(word))]
    return words[0] if len(words) == 1 else None


def _wavelength_nm(text: str, tags: Mapping[str, str]) -> float | None:
    """The wavelength that a band's tags or description tell, nm."""
    for key in _WAVE_TAGS:
        try:
            value = float(tags.get(key, "").split()[0])
        except (ValueError, IndexError):
            continue
        return value if value >= 100 else value * 1000
    if match := _WAVE.search(text):
        return float(match[1]) * (1 if match[2].lower() == "nm" else 1000)
    return None


def _tags(dataset: Any, band: int) -> dict[str, str]:
    """A band's own tags and those of its sensor, by upper-case name."""
    try:
        tags = {**dataset.tags(band, ns="IMAGERY"), **dataset.tags(band)}
    except UnicodeDecodeError:
        return {}
    return {key.upper(): str(value) for key, value in tags.items()}


def _numbering(
    texts: Sequence[str], name: str, tags: Mapping[str, str]
) -> Mapping[str, str] | None:
    """Whose band numbers descriptions like B5 are; None where that can't be told.

    NOTE: B5 is near infrared for Landsat 8, short-wave infrared for Landsat 7, and a red edge for
    Sentinel-2, so numbers alone say nothing.
    """
    told = " ".join([name, *(tags.get(k, "") for k in ("SPACECRAFT_ID", "SPACECRAFT_NAME"))])
    told = told.upper()
    if re.search(r"\bL[COT]0?[89](?![0-9])|LANDSAT[-_ ]?[89]", told):
        return _LANDSAT_8
    if re.search(r"\bL[ETM]0?[457](?![0-9])|LANDSAT[-_ ]?[457]", told):
        return _LANDSAT_7
    known = {match[0].upper() for text in texts if (match := _NUMBERED.match(text.strip()))}
    is_s2 = re.search(r"\bS2[ABC](?![A-Z0-9])|SENTINEL[-_ ]?2|(?<![A-Z0-9])S2[ABC]_", told)
    if is_s2 or "B8A" in known or any(re.fullmatch(r"B0\d", word) for word in known):
        return _SENTINEL2
    return None


def _by_product(found: list[str | None], colours: Sequence[str], name: str) -> Roles:
    """Roles with what four bands are by the name of their product, or by custom."""
    if len(found) == 4 and "alpha" not in colours:
        if not any(found) and re.search(r"(?i)_analytic(ms)?", name):
            return "blue", "green", "red", "nir"  # PlanetScope's order of four bands
        naip = re.match(r"(?i)m_\d{7}_(ne|nw|se|sw)_", name) is not None
        if (naip and not any(found)) or (found[:3] == ["red", "green", "blue"] and not found[3]):
            return "red", "green", "blue", "nir"  # NAIP's order, and that of aerial cameras
    return tuple(found)
