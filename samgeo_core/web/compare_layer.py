"""Outlines of a comparison as the map draws them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from samgeo_core.web.cache import LruCache
from samgeo_core.web.compare import Asked, comparison_of, comparison_version
from samgeo_core.web.layers import for_display
from samgeo_core.web.selected import Selected
from samgeo_core.words import N_

if TYPE_CHECKING:
    from samgeo_core.comparing.compare import Comparison

COLORS = {"matched": "#009e73", "changed": "#e69f00", "missing": "#d55e00", "extra": "#0072b2"}
"""Told apart by people who see colours differently, too: Okabe and Ito,
https://jfly.uni-koeln.de/color/."""

WORDS = {
    "matched": N_("Matched"),
    "changed": N_("Changed"),
    "missing": N_("Missing (reference only)"),
    "extra": N_("Extra (not in the reference)"),
}

LAYERS_CACHE_BYTES = 32 << 20

_DISPLAY_PX = 0.5

_layers: LruCache[tuple[object, ...], bytes] = LruCache(LAYERS_CACHE_BYTES, len)


def comparison_layer(shown: Selected, asked: Asked) -> bytes:
    """Outlines of a comparison for the map, as gzipped GeoJSON.

    Each feature tells its kind, its colour and whether it is dashed: outlines of the reference are.
    The member "legend" tells what the map's legend says.
    """
    return _layers.get(
        comparison_version(shown, asked), lambda: _draw(shown, comparison_of(shown, asked))
    )


def _draw(shown: Selected, comparison: Comparison) -> bytes:
    verdict, reference = comparison.verdict, comparison.reference
    own = np.asarray(shown.frame.geometry, object)
    outlines = reference.polygons
    parts = [
        ("extra", own[verdict.extra], False),
        ("matched", own[verdict.matched.found], False),
        ("changed", own[verdict.changed.found], False),
        ("changed", outlines[verdict.changed.reference], True),
        ("missing", outlines[verdict.missing], True),
    ]
    features = [
        f'{{"type":"Feature","properties":{json.dumps(_style(kind, dashed))},"geometry":{text}}}'
        for kind, shapes, dashed in parts
        for text in for_display(shapes, shown.source.place, _DISPLAY_PX)
    ]
    counts = {
        "matched": len(verdict.matched),
        "changed": len(verdict.changed),
        "missing": len(verdict.missing),
        "extra": len(verdict.extra),
    }
    legend = json.dumps(
        [
            {**_style(kind, kind in ("missing", "changed")), "name": kind.capitalize(), "count": n}
            for kind, n in counts.items()
        ]
    )
    inner = ",\n".join(features)
    text = f'{{"type":"FeatureCollection","legend":{legend},"features":[\n{inner}\n]}}\n'
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)


def _style(kind: str, dashed: bool) -> dict[str, Any]:
    return {"kind": kind, "color": COLORS[kind], "dashed": dashed}
