"""Comparing a result with a layer that its owner brings; nobody else sees that layer."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.web.cache import LruCache
from samgeo_core.web.classes import classes_version, frame_with_classes
from samgeo_core.web.records import Run
from samgeo_core.web.selected import Selected, version_of
from samgeo_core.words import N_

if TYPE_CHECKING:
    from samgeo_core.comparing.compare import Comparison
    from samgeo_core.comparing.ground import Ground
    from samgeo_core.comparing.propose import Proposal
    from samgeo_core.comparing.reference import Reference

FOLDER = "reference"
MOST_BYTES = 20 << 20
MOST_SHOWN = 20_000
"""More objects of a reference are for the command, not for a page."""

NOT_YET = N_(
    "Comparing with a layer isn't offered here for images that were segmented in parts; the "
    "command compare does it."
)

FILES = {
    "comparison.gpkg": "application/geopackage+sqlite3",
    "comparison.csv": "text/csv",
    "comparison.json": "application/json",
}

_ABOUT = "about.json"
Stamp = int


@dataclass(frozen=True)
class Asked:
    """What is asked of a comparison.

    Attributes:
        iou: least IoU of a match.
        scope: which objects are judged, see `comparing.matching.SCOPES`.
    """

    iou: float = 0.5
    scope: str = "image"

    def __post_init__(self) -> None:
        from samgeo_core.comparing.matching import check_options

        check_options(self.iou, self.scope)

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> Asked:
        """Read from the parameters of an address.

        Raises:
            ParameterError: they say something else.
        """
        try:
            return cls(float(query.get("iou") or 0.5), query.get("scope") or "image")
        except ValueError as error:
            if isinstance(error, ParameterError):
                raise
            raise ParameterError("iou must be a number.") from error

    @property
    def query(self) -> dict[str, str]:
        """The parameters from which `of_query` makes this."""
        return {"iou": repr(self.iou), "scope": self.scope}


@dataclass(frozen=True)
class Brought:
    """A reference that lies with a run.

    Attributes:
        name: of the file, as its owner called it.
        path: where it lies.
        stamp: changes with it.
    """

    name: str
    path: Path
    stamp: Stamp


_references: LruCache[tuple[object, ...], Reference] = LruCache(8)
_comparisons: LruCache[tuple[object, ...], Comparison] = LruCache(8)


def brought(run: Run) -> Brought | None:
    """The reference of a run; None where there is none."""
    about = run.folder / FOLDER / _ABOUT
    try:
        known = json.loads(about.read_text("utf-8"))
        return Brought(known["name"], about.parent / known["file"], about.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError):
        return None


def bring(shown: Selected, name: str, content: bytes) -> Reference:
    """Keep a reference with a run, in place of the one before; only the run's owner may.

    Args:
        shown: the result it is for.
        name: of the file, whose ending tells what it is.
        content: of the file.

    Raises:
        ParameterError: it is too large, can't be read, or lies elsewhere; then the one before
            stays.
    """
    from samgeo_core.comparing.reference import open_reference

    if len(content) > MOST_BYTES:
        raise ParameterError(
            f"A reference may have {MOST_BYTES >> 20} MB here, got {len(content) / 2**20:.0f} MB: "
            "cut it to the image, or use the command compare."
        )
    run = shown.source.run
    file = f"layer{Path(name).suffix.lower()[:9]}"
    with tempfile.TemporaryDirectory(prefix=".reference-", dir=run.folder) as temporary:
        folder = Path(temporary) / FOLDER
        folder.mkdir()
        (folder / file).write_bytes(content)
        try:
            reference = open_reference(folder / file, _ground(shown))
        except ParameterError as error:
            # The file has its owner's name, not that under which it lies here.
            raise ParameterError(str(error).replace(file, Path(name).name)) from error
        if len(reference.ids) > MOST_SHOWN:
            raise ParameterError(
                f"A reference may have {MOST_SHOWN:,} objects on the image here, got "
                f"{len(reference.ids):,}: use the command compare."
            )
        (folder / _ABOUT).write_text(json.dumps({"name": Path(name).name, "file": file}), "utf-8")
        forget(run)
        folder.replace(run.folder / FOLDER)
    return reference


def forget(run: Run) -> None:
    """Remove the reference of a run."""
    shutil.rmtree(run.folder / FOLDER, ignore_errors=True)


def reference_of(shown: Selected) -> Reference:
    """The reference of a result's run, laid over its image.

    Raises:
        NotFoundError: there is none.
        ParameterError: it can't be read any more.
    """
    from samgeo_core.comparing.reference import open_reference

    run = shown.source.run
    kept = brought(run)
    if kept is None:
        raise NotFoundError("There is no layer to compare with; bring one on the page Result.")
    key = (run.run_id, shown.source.place.version, kept.stamp)
    return _references.get(key, lambda: open_reference(kept.path, _ground(shown)))


def comparison_of(shown: Selected, asked: Asked) -> Comparison:
    """A result as it is shown, beside the reference of its run.

    Raises:
        NotFoundError, ParameterError: as `reference_of`.
    """
    from samgeo_core.comparing.compare import compare
    from samgeo_core.comparing.found import FoundObjects

    def make() -> Comparison:
        reference = reference_of(shown)
        found = FoundObjects.of_frame(frame_with_classes(shown), reference.ground)
        return compare(found, reference, iou=asked.iou, scope=asked.scope)

    return _comparisons.get(comparison_version(shown, asked), make)


def propose(shown: Selected, asked: Asked) -> Proposal:
    """Thresholds that fit the reference of a run better than those of a result.

    Raises:
        NotFoundError: there is no reference.
        ParameterError: it has too few objects.
    """
    from samgeo_core.comparing.propose import propose_rule

    reference = reference_of(shown)
    edits = shown.edits.active
    return propose_rule(shown.source.pool, shown.rule, reference, iou=asked.iou, edits=edits)


def comparison_file(shown: Selected, asked: Asked, filename: str) -> bytes:
    """A comparison as a file to take home: one of `FILES`.

    Raises:
        NotFoundError: no such file, or no reference.
    """
    if filename not in FILES:
        raise NotFoundError(f"There is no file of this name; choose {', '.join(FILES)}.")
    comparison = comparison_of(shown, asked)
    if filename.endswith(".csv"):
        return comparison.csv().encode("utf-8-sig")
    if filename.endswith(".json"):
        return comparison.json().encode()
    with tempfile.TemporaryDirectory(prefix="comparison-") as folder:
        path = Path(folder) / filename
        comparison.write_layers(path)
        return path.read_bytes()


def compare_token(run: Run, kept: Brought) -> str:
    """What proves to the routes that somebody was shown a comparison as the run's owner."""
    told = f"compare {run.run_id} {kept.stamp}".encode()
    return hmac.new(run.owner.encode(), told, hashlib.sha256).hexdigest()


def may_see(run: Run, token: str | None) -> bool:
    """Whether a token is that of the run's owner, and of the reference that lies there now."""
    kept = brought(run)
    if kept is None or not token:
        return False
    return hmac.compare_digest(compare_token(run, kept).encode(), token.encode())


def comparison_version(shown: Selected, asked: Asked) -> tuple[object, ...]:
    """What tells a comparison from all others, of whatever run."""
    run = shown.source.run
    kept = brought(run)
    stamp = None if kept is None else kept.stamp
    return run.run_id, version_of(run), classes_version(run), shown.rule, asked, stamp


def _ground(shown: Selected) -> Ground:
    from samgeo_core.comparing.ground import Ground

    source = shown.source
    if not source.has_candidates:
        return Ground.of_image(source.place.grid)
    valid = source.pool.valid
    return Ground.of_image(source.place.grid, lambda window: valid[window.slices])
