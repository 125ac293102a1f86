"""The page of a shared result: what it is told, and the HTML that its script fills.

Nothing that a visitor wrote becomes markup: texts stand escaped in the page, or in a block of JSON
that the script puts into text nodes.
"""

from __future__ import annotations

import hashlib
import html
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

from samgeo_core.config import SelectionRule
from samgeo_core.web.downloads import offered_downloads
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.results import result_place
from samgeo_core.web.rules import rule_from_query
from samgeo_core.web.selected import run_source, selected
from samgeo_core.web.share_preview import PREVIEW_HW
from samgeo_core.web.shares import Share
from samgeo_core.words import _, ngettext, spoken_language, words_of_scripts
from samgeo_core.words.catalogue import MARKED_WORDS, SPEAKER
from samgeo_core.words.languages import LANGUAGES

FOLDER = Path(__file__).parent / "share_page"
STATIC = {
    "icon.svg": "image/svg+xml",
    "share.css": "text/css",
    "share.js": "text/javascript",
    "share_layers.js": "text/javascript",
    "share_table.js": "text/javascript",
    "words.js": "text/javascript",
}
"""Our own files, by name."""

LEAFLET = {"leaflet.css": "dist/leaflet.css", "leaflet.js": "dist/leaflet.js"}
"""Leaflet's files, by the name under which the page asks for them."""

_SCRIPTS = tuple(
    f"samgeo_core/web/share_page/{name}" for name in STATIC if name.startswith("share")
)
_DESCRIPTION_LENGTH = 300


@dataclass(frozen=True)
class PageAddress:
    """Where a page is shown.

    Attributes:
        origin: scheme and host, as "https://maps.example".
        path: of the link, below which everything lies that it loads.
        embedded: whether it is the one for frames of other pages.
    """

    origin: str
    path: str
    embedded: bool = False


def shared_rule(share: Share, run: Run) -> SelectionRule:
    """Which candidates of a run a link shows."""
    return rule_from_query(run_source(run).rule, share.rule)


def page_html(share: Share, run: Run, scene: Scene, address: PageAddress) -> str:
    """The page of a link.

    Raises:
        NotFoundError: the run has no result.
        RasterError: the image is gone.
    """
    told = page_facts(share, run, scene, address)
    description = share.text.description.replace("\n", " ")[:_DESCRIPTION_LENGTH]
    texts = {
        "title": share.text.title or _("Shared map"),
        "summary": description or told["summary"],
        "url": f"{address.origin}{address.path}",
        "picture": f"{address.origin}{address.path}/preview.png",
        "picture_height": str(PREVIEW_HW[0]),
        "picture_width": str(PREVIEW_HW[1]),
        "at": f"{address.path}/static/{static_version()}",
        "kind": "embedded" if address.embedded else "whole",
    }
    escaped = {name: html.escape(text, quote=True) for name, text in texts.items()}
    # NOTE: such a block ends at "</script" whatever stands before it.
    facts = json.dumps(told).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return _in_words("page.html").substitute(escaped, facts=facts, language=spoken_language())


def ended_html(sentence: str) -> str:
    """The page of a link that opens nothing."""
    told = {"sentence": html.escape(sentence), "language": spoken_language()}
    return _in_words("ended.html").substitute(told)


def page_facts(share: Share, run: Run, scene: Scene, address: PageAddress) -> dict[str, Any]:
    """All that the page's script must know, as plain JSON values."""
    frame, place = scene.frame, result_place(run)
    found = _count(share, run)
    summary = ngettext(
        "{n:,} object found in an image from above",
        "{n:,} objects found in an image from above",
        found,
    )
    has_place = place.grid.crs is not None
    offered = offered_downloads(run)
    return {
        "at": address.path,
        "embedded": address.embedded,
        "title": share.text.title or _("Shared map"),
        "description": share.text.description,
        "credits": _credits(share.text.credits, scene.raster.attribution or ""),
        "summary": summary.format(n=found),
        "language": spoken_language(),
        "languages": {k: v for k, v in LANGUAGES.items() if k != spoken_language()},
        "words": words_of_scripts(*_SCRIPTS),
        "count": found,
        "created": share.created,
        "expires": share.expires,
        "simple": not frame.is_geographic,
        "bounds": frame.bounds_latlng,
        "focus": _focus(run, scene),
        "native_zoom": frame.native_zoom,
        "max_zoom": frame.max_zoom,
        "by_view": run.is_streamed,
        "area": "area_m2" if has_place else "area_px",
        "downloads": [
            {"filename": name, "title": _(offered[name].title)}
            for name in share.downloads
            if name in offered
        ],
    }


def _credits(given: str, own: str) -> str:
    """Whom to name: as the owner of the link wrote, and always whom the image itself names."""
    return " · ".join(filter(None, (given, "" if own in given else own)))


def static_file(name: str) -> bytes | None:
    """One of our own files; None where there is none of this name."""
    return _static(name) if name in STATIC else None


@lru_cache(maxsize=1)
def static_version() -> str:
    """A part of addresses that changes with our files, so that browsers may keep them."""
    parts = b"".join(_static(name) for name in sorted(STATIC))
    return hashlib.sha256(parts).hexdigest()[:12]


def _static(name: str) -> bytes:
    if name != "words.js":
        return (FOLDER / name).read_bytes()
    # What scripts of the app have before them is a module here, which reads the page's words.
    told = 'JSON.parse(document.getElementById("facts").textContent).words'
    return f"{SPEAKER.read_text('utf-8')}\nuseWords({told});\nexport {{ _, ngettext }};\n".encode()


def _count(share: Share, run: Run) -> int:
    if run.is_streamed:
        return int(run.record.get("n_objects", 0))
    return len(selected(run, shared_rule(share, run)).objects)


def _focus(run: Run, scene: Scene) -> list[list[float]]:
    """What fills the map at the start: where the run looked."""
    if run.area is None:
        return [list(corner) for corner in scene.frame.bounds_latlng]
    import numpy as np

    left, top, right, bottom = run.area.box_xyxy
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
    places = scene.frame.to_lnglat(corners)
    (west, south), (east, north) = places.min(0).tolist(), places.max(0).tolist()
    return [[south, west], [north, east]]


def _in_words(name: str) -> Template:
    """A page of ours with its words in the reader's language."""
    page = (FOLDER / name).read_text(encoding="utf-8")
    words = MARKED_WORDS.sub(lambda m: html.escape(_(m[1]), quote=True).replace("$", "$$"), page)
    return Template(words)
