"""What a visitor wants of a basemap, where that stands, and its form on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samgeo_core.basemap.area import BasemapArea
from samgeo_core.basemap.records import source_of_record, source_record
from samgeo_core.errors import NotFoundError
from samgeo_core.results.files import replacing
from samgeo_core.web.ids import checked_id

FetchState = Literal["waiting", "running", "failed", "cancelled", "done"]

RECORD = "basemap.json"


@dataclass(frozen=True)
class AreaOrder:
    """An area that a visitor wants.

    Attributes:
        order_id: unguessable id; that of the scene which comes of it.
        owner: token of the visitor.
        name: what the scene will be called.
        area: what is wanted.
        created: seconds since 1970.
        state: where it stands.
        stage: what is being done.
        done, total: tiles or rows of that stage.
        error: a sentence where it failed.
        note: a sentence about what is missing, once it is done.
    """

    order_id: str
    owner: str
    name: str
    area: BasemapArea
    created: float
    state: FetchState = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0
    error: str | None = None
    note: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it waits or is under way."""
        return self.state in ("waiting", "running")


def write_order(order: AreaOrder, folder: Path) -> None:
    """Keep what is wanted, so that a new start finds it.

    Args:
        order: what is wanted; where it stands isn't kept.
        folder: made where missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "owner": order.owner,
        "name": order.name,
        "created": order.created,
        "bounds": list(order.area.bounds),
        "zoom": order.area.zoom,
        "source": source_record(order.area.source),
    }
    with replacing(folder / RECORD) as partial:
        partial.write_text(json.dumps(record), "utf-8")


def read_order(folder: Path) -> AreaOrder | None:
    """What a folder keeps; None where it isn't an order."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        west, south, east, north = map(float, record["bounds"])
        area = BasemapArea(
            source_of_record(record["source"]), (west, south, east, north), int(record["zoom"])
        )
        return AreaOrder(
            checked_id(folder.name), str(record["owner"]), str(record["name"]), area,
            float(record["created"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, NotFoundError):
        return None
