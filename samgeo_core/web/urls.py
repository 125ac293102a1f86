"""Addresses of our routes, for those who draw maps and links.

``base`` is streamlit's ``server.baseUrlPath``, with or without slashes; "" where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Run, Scene


def base_path(base: str | None) -> str:
    """A base path as a prefix: "" or "/studio"."""
    inner = (base or "").strip("/")
    return f"/{inner}" if inner else ""


def tile_template(scene: Scene, base: str = "") -> str:
    """Leaflet template of a scene's tiles; changes with the display, so browsers reload."""
    version = quote(scene.display.key)
    return f"{base_path(base)}/tiles/{scene.scene_id}/{{z}}/{{x}}/{{y}}.png?v={version}"


def basemap_template(map_id: str, base: str = "") -> str:
    """Leaflet template of the tiles of a basemap that comes through this server."""
    return f"{base_path(base)}/basemaps/{map_id}/{{z}}/{{x}}/{{y}}"


def label_template(run: Run, base: str = "", rule: Mapping[str, str] | None = None) -> str:
    """Leaflet template of a run's mask tiles; ``rule`` as `rules.rule_query` gives it."""
    return f"{base_path(base)}/runs/{run.run_id}/labels/{{z}}/{{x}}/{{y}}.png{_query(rule)}"


def objects_url(run: Run, base: str = "", rule: Mapping[str, str] | None = None) -> str:
    """Address of a run's polygons for the map; ``rule`` as `rules.rule_query` gives it."""
    return f"{base_path(base)}/runs/{run.run_id}/objects.geojson{_query(rule)}"


def view_url(run: Run, base: str = "") -> str:
    """Address of the polygons of a view; the map adds ``bbox`` and ``zoom``, see `stored`."""
    return f"{base_path(base)}/runs/{run.run_id}/view.geojson"


def download_url(
    run: Run, filename: str, base: str = "", rule: Mapping[str, str] | None = None
) -> str:
    """Address of a download.

    Args:
        run: a finished run.
        filename: one of `downloads.DOWNLOADS`, e.g. "objects.gpkg" or "bundle.zip".
        base: streamlit's base path.
        rule: what differs from the run's own rule, see `rules.rule_query`.
    """
    place = f"{base_path(base)}/runs/{run.run_id}/download"
    return f"{place}/{quote(filename)}{_query(rule)}"


def pick_url(session: PickSession, base: str = "") -> str:
    """Address of a picking session; the map adds ``/`` and what it asks for, see `pick_routes`."""
    return f"{base_path(base)}/picks/{session.scene_id}/{session.session_id}"


def _query(rule: Mapping[str, str] | None) -> str:
    return f"?{urlencode(rule)}" if rule else ""


def edits_url(run: Run, base: str = "", rule: Mapping[str, str] | None = None) -> str:
    """Address to which a map posts edits of a run; "{action}" stands for what is done."""
    return f"{base_path(base)}/runs/{run.run_id}/edits/{{action}}{_query(rule)}"


def comparison_url(
    run: Run, asked: Mapping[str, str], base: str = "", filename: str | None = None
) -> str:
    """Address of a comparison's outlines for the map, or of one of its files.

    Args:
        run: a finished run.
        asked: the rule, what is asked, and the key, see `compare_routes`.
        base: streamlit's base path.
        filename: one of `compare.FILES`; None for the outlines.
    """
    place = f"{base_path(base)}/runs/{run.run_id}/comparison"
    return (
        f"{place}.geojson{_query(asked)}"
        if filename is None
        else (f"{place}/{quote(filename)}{_query(asked)}")
    )


def asset_url(package: str, path: str, base: str = "") -> str:
    """Address of a file of an allowed npm package, e.g. ("leaflet", "dist/leaflet.js")."""
    return f"{base_path(base)}/assets/{quote(package)}/{quote(path)}"


def share_url(token: str, base: str = "", origin: str = "") -> str:
    """Address of a shared result; ``origin`` as in "https://maps.example"."""
    return f"{origin}{base_path(base)}/s/{quote(token)}"
