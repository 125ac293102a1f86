"""A run region by region: the same files however often it was stopped, and whoever did the work."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from geopandas.testing import assert_geodataframe_equal
from scipy import ndimage

from samgeo_core.area import AreaOfInterest
from samgeo_core.config import AutomaticConfig, SegmentConfig, SelectionRule
from samgeo_core.engine.ladder import Place
from samgeo_core.errors import CancelledError, ExportError, ParameterError
from samgeo_core.pipeline import reselect
from samgeo_core.pool import CandidatePool
from samgeo_core.progress import SILENT, CancelToken, Monitor, Progress
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.results.labels import label_raster
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.streaming.run_folder import locked
from samgeo_core.windows import Window
from tests.factories import write_raster
from tests.stand_in import BrightPartsFinder, bright_scene

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = StreamOptions(160, 24)
QUICK = SegmentConfig(automatic=AutomaticConfig(points_per_side=6))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Raster:
    return Raster.open(bright_scene(tmp_path_factory.mktemp("scene") / "scene.tif"))


@pytest.fixture(scope="module")
def unbroken(scene: Raster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run that nobody disturbed."""
    out_dir = tmp_path_factory.mktemp("unbroken")
    segment_to_folder(scene, out_dir, options=OPTIONS, finder=BrightPartsFinder())
    return out_dir


def read(path: Path) -> Any:
    with rasterio.open(path) as source:
        return source.read(1)


def assert_same_results(one: Path, other: Path) -> None:
    for name in ("labels.tif", "mask.tif"):
        np.testing.assert_array_equal(read(one / name), read(other / name))
    frames = [gpd.read_file(folder / "objects.gpkg", layer="objects") for folder in (one, other)]
    assert_geodataframe_equal(*frames)
    records = [json.loads((folder / "run.json").read_text()) for folder in (one, other)]
    for name in ("n_objects", "coverage", "n_candidates", "raster_sha256", "selection"):
        assert records[0][name] == records[1][name]


def calls(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_objects_across_regions_are_whole_and_nothing_is_missing(
    scene: Raster, unbroken: Path
) -> None:
    with rasterio.open(scene.path) as source:
        bright = source.read(1) >= 128
        profile = source.profile
    truth, count = ndimage.label(bright)
    labels = read(unbroken / "labels.tif")
    np.testing.assert_array_equal(labels > 0, bright)
    pairs = np.unique(np.stack([truth[bright], labels[bright]]), axis=1)
    assert pairs.shape[1] == count == len(np.unique(labels)) - 1, "one to one"
    np.testing.assert_array_equal(read(unbroken / "mask.tif") > 0, bright)
    frame = gpd.read_file(unbroken / "objects.gpkg", layer="objects")
    assert sorted(frame.object_id) == sorted(np.unique(labels)[1:])
    assert frame.crs == scene.grid.crs
    with rasterio.open(unbroken / "labels.tif") as target:
        assert target.transform == profile["transform"]
    record = json.loads((unbroken / "run.json").read_text())
    assert record["n_objects"] == count
    assert record["coverage"] == pytest.approx(bright.mean(), abs=1e-4)
    assert record["streaming"]["regions"] == 25
    assert record["raster_sha256"] == scene.sha256


def test_a_cancelled_run_goes_on_where_it_ended(
    scene: Raster, unbroken: Path, tmp_path: Path
) -> None:
    token, log, out_dir = CancelToken(), tmp_path / "log", tmp_path / "out"
    finder = BrightPartsFinder(log=log)

    def stop(progress: Progress) -> None:
        if calls(log) >= 7:
            token.cancel()

    with pytest.raises(CancelledError):
        segment_to_folder(
            scene, out_dir, options=OPTIONS, finder=finder, monitor=Monitor(stop, token)
        )
    assert not (out_dir / "run.json").exists()
    assert not (out_dir / "labels.tif").exists()
    assert not list(out_dir.glob(".writing-*"))
    told: list[str] = []
    seen: list[Progress] = []
    record = segment_to_folder(
        scene, out_dir, options=OPTIONS, finder=finder, monitor=Monitor(seen.append),
        tell=told.append,
    )  # fmt: skip
    assert calls(log) == 25
    assert told == ["Going on: 7 of 25 regions were finished before."]
    assert record["streaming"]["resumed"] == 7
    shares = [step.fraction for step in seen if step.stage in {"segment", "decode"}]
    assert shares[0] == pytest.approx(7 / 25)
    assert_same_results(out_dir, unbroken)


def test_another_rule_asks_nobody_again_and_another_question_everybody(
    scene: Raster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    finder = BrightPartsFinder(log=log)
    segment_to_folder(scene, tmp_path / "a", options=OPTIONS, finder=finder)
    assert calls(log) == 25
    large = SegmentConfig(selection=SelectionRule(min_area_px=300))
    segment_to_folder(scene, tmp_path / "a", large, OPTIONS, finder=finder)
    assert calls(log) == 25, "a rule chooses among what is there"
    segment_to_folder(scene, tmp_path / "b", large, OPTIONS, finder=finder)
    assert calls(log) == 50
    assert_same_results(tmp_path / "a", tmp_path / "b")
    other_bands = SegmentConfig(bands=(3, 2, 1), selection=large.selection)
    segment_to_folder(scene, tmp_path / "a", other_bands, OPTIONS, finder=finder)
    assert calls(log) == 75
    assert (read(tmp_path / "a" / "labels.tif") != read(tmp_path / "b" / "labels.tif")).any()
    kept = list((tmp_path / "a" / "regions").iterdir())
    assert len(kept) == 1, "what answers another question is gone when the run is done"
    again = StreamOptions(160, 24, restart=True)
    segment_to_folder(scene, tmp_path / "a", other_bands, again, finder=finder)
    assert calls(log) == 100


@pytest.mark.parametrize("preset", ["exact", "full"])
def test_a_partition_is_that_of_the_raster_in_one_piece(
    scene: Raster, preset: str, tmp_path: Path
) -> None:
    data = scene.read()
    config = SegmentConfig(preset=preset, selection=SelectionRule(overlap="partition"))
    finder = BrightPartsFinder()
    whole = Place(*[Window.whole(scene.shape_hw)] * 3, 0)
    expected = label_raster(
        CandidatePool(finder(data, SILENT, whole), data.valid, scene.grid).objects(config.rule)
    )
    assert expected.all()
    for name, options in (("one", OPTIONS), ("other", StreamOptions(190, 31))):
        record = segment_to_folder(scene, tmp_path / name, config, options, finder=finder)
        assert record["coverage"] == 1.0
        labels = read(tmp_path / name / "labels.tif")
        pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
        assert pairs.shape[1] == expected.max() == record["n_objects"], "one to one"
        frame = gpd.read_file(tmp_path / name / "objects.gpkg", layer="objects")
        sizes = np.bincount(labels.ravel())[frame.object_id]
        np.testing.assert_array_equal(frame.area_px, sizes)


def test_limits_of_size_hold_for_whole_objects(scene: Raster, tmp_path: Path) -> None:
    truth, _ = ndimage.label(read(scene.path) >= 128)
    sizes = np.bincount(truth.ravel())[1:]
    river = int(sizes.max())
    for preset in ("exact", "full"):
        for rule, kept in (
            (SelectionRule(max_area_px=river - 1), sizes < river),
            (SelectionRule(min_area_px=river - 1), sizes == river),
        ):
            config = SegmentConfig(preset=preset, selection=rule)
            record = segment_to_folder(scene, tmp_path, config, OPTIONS, finder=BrightPartsFinder())
            assert record["n_objects"] == kept.sum()
            found = np.bincount(read(tmp_path / "labels.tif").ravel())[1:]
            assert sorted(found[found > 0]) == sorted(sizes[kept])


def test_choosing_again_by_itself_says_how(unbroken: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="give the new rule to the command segment"):
        reselect(unbroken, SelectionRule(), tmp_path)


def test_files_of_another_kind_of_run_dont_stay_beside_the_results(
    scene: Raster, tmp_path: Path
) -> None:
    (tmp_path / "candidates.npz").write_bytes(b"of a run in one piece")
    (tmp_path / "notes.txt").write_text("mine")
    segment_to_folder(scene, tmp_path, options=OPTIONS, finder=BrightPartsFinder())
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock", "labels.tif", "mask.tif", "masks.arrow", "notes.txt", "objects.gpkg", "plan.json",
        "regions", "run.json", "valid.arrow",
    }  # fmt: skip


def test_an_index_is_a_channel_and_another_one_another_question(tmp_path: Path) -> None:
    drawn = read(bright_scene(tmp_path / "drawn.tif")).astype(np.uint16)
    bright = drawn >= 128
    data = np.stack([np.where(bright, 3000, 900), np.where(bright, 400, 1500)]).astype(np.uint16)
    scene = Raster.open(
        write_raster(tmp_path / "s2.tif", data=data, descriptions=("nir", "red"), tiled=True,
                     blockxsize=64, blockysize=64)
    )  # fmt: skip
    config = SegmentConfig(bands=("ndvi",), stretch="signed")
    token, log, out_dir = CancelToken(), tmp_path / "log", tmp_path / "out"
    finder = BrightPartsFinder(log=log)

    def stop(progress: Progress) -> None:
        if calls(log) >= 9:
            token.cancel()

    with pytest.raises(CancelledError):
        segment_to_folder(scene, out_dir, config, OPTIONS, finder=finder,
                          monitor=Monitor(stop, token))  # fmt: skip
    record = segment_to_folder(scene, out_dir, config, OPTIONS, finder=finder)
    assert (calls(log), record["streaming"]["resumed"]) == (25, 9)
    assert record["parameters"]["bands"] == ("ndvi",)
    assert record["stretch"]["bands"] == ["(b1 - b2) / (b1 + b2)"] * 3
    np.testing.assert_array_equal(read(out_dir / "labels.tif") > 0, bright)
    # Other words for it are the same question, another formula is another.
    for channel, asked in (("(nir - red) / (nir + red)", 0), ("nir / (nir + red)", 25)):
        log.write_text("")
        other = SegmentConfig(bands=(channel,), stretch="signed")
        segment_to_folder(scene, out_dir, other, OPTIONS, finder=finder)
        assert calls(log) == asked, channel


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    log, path = tmp_path / "log", tmp_path / "scene.tif"
    bright_scene(path, 256)
    finder = BrightPartsFinder(log=log)
    segment_to_folder(Raster.open(path), tmp_path / "out", options=OPTIONS, finder=finder)
    before = calls(log)
    bright_scene(path, 256, seed=1)
    segment_to_folder(Raster.open(path), tmp_path / "out", options=OPTIONS, finder=finder)
    assert calls(log) == 2 * before


def test_a_damaged_region_is_made_again(scene: Raster, unbroken: Path, tmp_path: Path) -> None:
    log, out_dir = tmp_path / "log", tmp_path / "out"
    finder = BrightPartsFinder(log=log)
    segment_to_folder(scene, out_dir, options=OPTIONS, finder=finder)
    files = sorted((out_dir / "regions").rglob("*.npz"))
    content = files[3].read_bytes()
    files[3].write_bytes(content[: len(content) // 2])
    files[9].unlink()
    segment_to_folder(scene, out_dir, options=OPTIONS, finder=finder)
    assert calls(log) == 27
    assert_same_results(out_dir, unbroken)


_RUN = """
import sys
from pathlib import Path
from samgeo_core.reading.raster import Raster
from samgeo_core.results.labels import label_raster
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from tests.stand_in import BrightPartsFinder
segment_to_folder(
    Raster.open(sys.argv[1]), Path(sys.argv[2]), options=StreamOptions(160, 24),
    finder=BrightPartsFinder(pause_s=0.05, log=Path(sys.argv[2] + ".log")),
)
"""


def test_killed_at_random_points_it_gives_the_files_of_an_unbroken_run(
    scene: Raster, unbroken: Path, tmp_path: Path
) -> None:
    out_dir, moments = tmp_path / "out", random.Random(4)
    command = [sys.executable, "-c", _RUN, str(scene.path), str(out_dir)]
    log = Path(f"{out_dir}.log")
    kills = 0
    for _ in range(60):
        before, wait_for = calls(log), moments.randint(1, 8)
        process = subprocess.Popen(command, cwd=ROOT)
        # Killed after some more regions and a moment, so that any step may be hit.
        while process.poll() is None and calls(log) < before + wait_for:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.3) if calls(log) < 25 else moments.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
    assert process.returncode == 0
    assert kills >= 3
    assert_same_results(out_dir, unbroken)
    assert calls(log) <= 25 + kills, "at most the region under way is made again"
    assert not list(out_dir.rglob(".writing-*"))


@pytest.mark.weights
def test_killed_with_the_real_model_it_gives_the_files_of_an_unbroken_run(tmp_path: Path) -> None:
    path = generated_scene(tmp_path / "scene.tif", size=384).path
    common = [sys.executable, "-m", "samgeo_core", "segment", str(path)]
    options = ["--region", "256", "--points-per-side", "6", "--device", "cpu", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*common, str(whole), *options], cwd=ROOT, env=environment, check=True)
    process = subprocess.Popen([*common, str(broken), *options], cwd=ROOT, env=environment)

    def regions() -> dict[str, int]:
        # Beside them lie folders of what is being written.
        return {p.name: p.stat().st_mtime_ns for p in broken.glob("regions/*/*/[0-9]*.npz")}

    while process.poll() is None and not regions():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = regions()
    assert 1 <= len(finished) < 4
    subprocess.run([*common, str(broken), *options], cwd=ROOT, env=environment, check=True)
    assert_same_results(broken, whole)
    assert finished.items() <= regions().items(), "what was finished is not made again"
    assert json.loads((broken / "run.json").read_text())["streaming"]["resumed"] == len(finished)


def test_a_full_disk_is_a_sentence_and_what_is_finished_stays(
    scene: Raster, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, out_dir = tmp_path / "log", tmp_path / "out"
    finder = BrightPartsFinder(log=log)
    write = Path.write_bytes

    def full(path: Path, data: Any) -> int:
        if path.name == "011.npz":
            write(path, data[:50])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(ExportError, match="No space left on device"):
            segment_to_folder(scene, out_dir, options=OPTIONS, finder=finder)
    assert len(list(out_dir.rglob("*.npz"))) == 11
    segment_to_folder(scene, out_dir, options=OPTIONS, finder=finder)
    assert calls(log) == 26
    assert_same_results(out_dir, unbroken)


def test_a_real_disk_that_fills_up_is_survived(
    scene: Raster, unbroken: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        with pytest.raises(ExportError, match="No space left on device"):
            segment_to_folder(scene, disk / "out", options=OPTIONS, finder=BrightPartsFinder())
        assert 0 < len(list(disk.rglob("*.npz"))) < 25
        assert not (disk / "out" / "run.json").exists()
        larger = ["mount", "-o", "remount,size=20m", str(disk)]
        subprocess.run(larger, capture_output=True, check=True)
        record = segment_to_folder(scene, disk / "out", options=OPTIONS, finder=BrightPartsFinder())
        assert record["streaming"]["resumed"] > 0
        assert_same_results(disk / "out", unbroken)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_regions_without_data_never_meet_the_finder(tmp_path: Path) -> None:
    log = tmp_path / "log"
    data = np.zeros((3, 400, 400), np.uint8)
    data[:, 10:70, 20:80] = 200
    path = write_raster(tmp_path / "scene.tif", data=data, nodata=0, tiled=True)
    record = segment_to_folder(
        Raster.open(path), tmp_path / "out", options=OPTIONS, finder=BrightPartsFinder(log=log)
    )
    assert record["streaming"]["regions"] == 16
    assert calls(log) == 1
    assert record["n_objects"] == 1
    assert record["coverage"] == 1.0
    empty = write_raster(tmp_path / "empty.tif", data=data * 0, nodata=0)
    record = segment_to_folder(
        Raster.open(empty), tmp_path / "none", options=OPTIONS, finder=BrightPartsFinder(log=log)
    )
    assert calls(log) == 1
    assert record["n_objects"] == record["coverage"] == 0
    assert not read(tmp_path / "none" / "labels.tif").any()
    assert len(gpd.read_file(tmp_path / "none" / "objects.gpkg", layer="objects")) == 0


def test_an_area_of_interest_ends_at_its_outline(scene: Raster, tmp_path: Path) -> None:
    log = tmp_path / "log"
    outline = shapely.Polygon([(40, 30), (250, 60), (120, 240)])
    area = AreaOfInterest(outline)
    record = segment_to_folder(
        scene, tmp_path / "out", options=OPTIONS, area=area, finder=BrightPartsFinder(log=log)
    )
    window = area.window(scene.shape_hw)
    assert record["area_px"] == list(window.box_xyxy)
    with rasterio.open(scene.path) as source:
        expected = (source.read(1) >= 128)[window.slices] & area.mask(window)
    np.testing.assert_array_equal(read(tmp_path / "out" / "labels.tif") > 0, expected)
    with rasterio.open(tmp_path / "out" / "labels.tif") as labels:
        corner = scene.grid.to_crs_xy([(window.x, window.y)])[0]
        assert (labels.transform.c, labels.transform.f) == pytest.approx(tuple(corner))
    assert record["coverage"] == pytest.approx(expected.sum() / area.mask(window).sum(), abs=1e-4)
    frame = gpd.read_file(tmp_path / "out" / "objects.gpkg", layer="objects")
    in_crs = shapely.transform(outline, scene.grid.to_crs_xy).buffer(1.0)
    assert frame.within(in_crs).all()


def test_regions_beside_the_area_are_not_even_read(scene: Raster, tmp_path: Path) -> None:
    log = tmp_path / "log"
    corners = [shapely.box(0, 0, 60, 60), shapely.box(450, 450, 512, 512)]
    area = AreaOfInterest(shapely.union_all(corners))
    record = segment_to_folder(
        scene, tmp_path / "out", options=OPTIONS, area=area, finder=BrightPartsFinder(log=log)
    )
    counts = record["streaming"]
    assert counts["skipped"] + calls(log) == counts["regions"] == 25
    assert calls(log) == 2
    labels = read(tmp_path / "out" / "labels.tif")
    assert labels[:60, :60].any()
    assert labels[450:, 450:].any()
    assert not labels[100:400, 100:400].any()


def test_a_box_gives_the_results_of_that_box(scene: Raster, tmp_path: Path) -> None:
    box = Window(37, 80, 300, 211)
    segment_to_folder(
        scene, tmp_path / "out", options=OPTIONS, area=box, finder=BrightPartsFinder()
    )
    with rasterio.open(scene.path) as source:
        expected = (source.read(1) >= 128)[box.slices]
    np.testing.assert_array_equal(read(tmp_path / "out" / "labels.tif") > 0, expected)


def test_two_workers_give_the_same_files_and_one_may_die(
    scene: Raster, unbroken: Path, tmp_path: Path, cluster: Any
) -> None:
    options = StreamOptions(160, 24, scheduler=cluster.scheduler_address)
    told: list[str] = []
    segment_to_folder(
        scene, tmp_path / "two", options=options, finder=BrightPartsFinder(), tell=told.append
    )
    assert_same_results(tmp_path / "two", unbroken)
    assert told[0].startswith("Dashboard of the cluster: http://127.0.0.1:")

    log = tmp_path / "log"
    victims = [worker["pid"] for worker in cluster_processes(cluster)]

    def kill() -> None:
        while calls(log) < 5:
            time.sleep(0.01)
        os.kill(victims[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    finder = BrightPartsFinder(pause_s=0.1, log=log)
    segment_to_folder(scene, tmp_path / "killed", options=options, finder=finder)
    killer.join()
    assert calls(log) >= 25
    assert_same_results(tmp_path / "killed", unbroken)


def cluster_processes(cluster: Any) -> list[dict[str, int]]:
    from distributed import Client

    with Client(cluster.scheduler_address, set_as_default=False) as client:
        return [{"pid": pid} for pid in client.run(os.getpid).values()]


def test_results_travel_back_from_workers_that_dont_share_the_folder(
    scene: Raster, unbroken: Path, tmp_path: Path, cluster: Any
) -> None:
    plan_file = tmp_path / "plan.json"

    def forget(progress: Progress) -> None:
        # A worker that doesn't find this run's token there is on another machine.
        if progress.stage == "segment":
            plan_file.write_text("{}")

    segment_to_folder(
        scene, tmp_path, options=StreamOptions(160, 24, scheduler=cluster.scheduler_address),
        finder=BrightPartsFinder(), monitor=Monitor(forget),
    )  # fmt: skip
    assert_same_results(tmp_path, unbroken)


def test_one_run_at_a_time_in_a_folder(scene: Raster, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ParameterError, match="Another run is at work"):
        segment_to_folder(scene, tmp_path, options=OPTIONS, finder=BrightPartsFinder())


@pytest.mark.weights
def test_the_command_goes_region_by_region_and_starts_anew_if_told(tmp_path: Path) -> None:
    path = generated_scene(tmp_path / "scene.tif", size=300).path
    out_dir = tmp_path / "out"
    command = [
        sys.executable, "-m", "samgeo_core", "segment", str(path), str(out_dir),
        "--region", "256", "--points-per-side", "4", "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "check": True}
    first = subprocess.run(command, **run)
    assert "objects in" in first.stdout
    record = json.loads((out_dir / "run.json").read_text())
    assert record["streaming"]["regions"] == 4
    again = subprocess.run([*command, "--least-score", "0.97"], **run)
    assert "Going on: 4 of 4 regions were finished before." in again.stderr
    assert json.loads((out_dir / "run.json").read_text())["n_objects"] < record["n_objects"]
    anew = subprocess.run([*command, "--restart"], **run)
    assert "Going on" not in anew.stderr
    assert json.loads((out_dir / "run.json").read_text())["n_objects"] == record["n_objects"]
