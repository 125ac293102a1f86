"""The audit log tells what happened, and nothing about who."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from samgeo_core.settings import get_settings
from samgeo_core.web import audit
from samgeo_core.web.audit import AuditLog
from samgeo_core.web.context import AppContext
from samgeo_core.web.store import Store
from tests.web.conftest import OWNER, MakeRun, MakeScene


def _lines(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def test_visitors_are_told_apart_without_their_names(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    for owner in ("anna", "ben", "anna"):
        log.record("run made", owner, run="r")
    again = AuditLog(tmp_path)
    again.record("run deleted", "anna", run="r")
    first, second, third, fourth = (line["visitor"] for line in _lines(tmp_path))
    assert first == third == fourth != second
    assert "anna" not in (tmp_path / "audit.jsonl").read_text()
    assert (tmp_path / "audit.key").stat().st_mode & 0o077 == 0

    (tmp_path / "other").mkdir()
    elsewhere = AuditLog(tmp_path / "other")
    elsewhere.record("run made", "anna")
    assert _lines(tmp_path / "other")[0]["visitor"] != first


def test_old_lines_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_FILE_BYTES", 2000)
    log = AuditLog(tmp_path)
    for number in range(500):
        log.record("run made", run=f"{number}")
    files = list(tmp_path.glob("audit.jsonl*"))
    assert len(files) == 5
    assert sum(file.stat().st_size for file in files) <= 5 * 2100
    assert _lines(tmp_path)[-1]["run"] == "499"


def test_a_folder_that_refuses_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    AuditLog(tmp_path / "file").record("run made", "anna")


def test_a_visitor_can_have_everything_deleted(
    store: Store, make_scene: MakeScene, make_run: MakeRun
) -> None:
    context = AppContext.create(dataclasses.replace(get_settings(), data_dir=store.root))
    scene = make_scene("mine.tif", shape_hw=(120, 160))
    foreign = context.store.add_scene(scene.source, "theirs.tif", "somebody else")
    run = make_run(scene)
    folders = [scene.folder, run.folder]
    assert context.delete_all_of(OWNER) == 2
    assert [s.scene_id for s in store.scenes()] == [foreign.scene_id]
    assert store.runs() == []
    assert not any(folder.exists() for folder in folders)
    events = [line["event"] for line in _lines(store.root)]
    assert events == ["scene added", "scene deleted", "all data of a visitor deleted"]
    assert not list((store.root / "trash").iterdir())
    context.jobs.close()
