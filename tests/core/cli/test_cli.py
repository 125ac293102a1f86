import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

import samgeo_core
from samgeo_core.cli import build_parser, main, serve_command
from samgeo_core.cli.options import field_texts
from samgeo_core.cli.segment import _automatic_config
from samgeo_core.config import AutomaticConfig, SegmentConfig, SelectionRule
from samgeo_core.models.download import find_weights
from samgeo_core.models.registry import MODELS
from samgeo_core.models.transfer import sha256_of
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.settings import get_settings
from samgeo_core.windows import Window

ROOT = Path(__file__).resolve().parents[3]
QUICK = ["--points-per-side", "6", "--quiet"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> GeneratedScene:
    return generated_scene(tmp_path_factory.mktemp("scene") / "scene.tif", size=256)


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert capsys.readouterr().out == f"samgeo_core {project['version']}\n"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nonsense"],
        ["segment"],
        ["segment", "a.tif"],
        ["segment", "a.tif", "out", "--points", "3"],
        ["segment", "a.tif", "out", "--points-per-side", "many"],
        ["segment", "a.tif", "out", "--bands", "1,2"],
        ["segment", "a.tif", "out", "--window", "half"],
        ["segment", "a.tif", "out", "--area", "0,0,0,5"],
        ["segment", "a.tif", "out", "--stretch", "wild"],
        ["segment", "a.tif", "out", "--point-grids", "missing.json"],
        ["models"],
        ["serve", "--port", "http"],
    ],
)
def test_wrong_usage_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--pred-iou-thresh", "2"], 2, "pred_iou_thresh must lie between 0 and 1"),
        (["--window", "12"], 2, "at least 64 px"),
        (["--bands", "1,2,9"], 2, "from 1 to 3"),
        (["--area", "0,0,999,9"], 2, "inside the raster"),
        (["--model", "vit_x"], 2, "vit_t, vit_b, vit_l, vit_h"),
        (["--device", "abacus"], 2, "cuda, mps or cpu"),
        (["--checkpoint", "missing.pt"], 1, "missing.pt doesn't exist"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    scene: GeneratedScene,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
):
    out_dir = tmp_path / "deep" / "out"
    assert main(["segment", str(scene.path), str(out_dir), *QUICK, *options]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert list(tmp_path.iterdir()) == []


def test_sources_that_are_no_images_are_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = tmp_path / "text.tif"
    text.write_text("no image\nat all")
    for source, message in ((text, "no image of a known format"), ("missing.tif", "no file")):
        assert main(["segment", str(source), str(tmp_path / "out"), *QUICK]) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert not (tmp_path / "out").exists()


def test_out_dir_must_be_a_folder(
    scene: GeneratedScene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    place = tmp_path / "file"
    place.write_text("mine")
    assert main(["segment", str(scene.path), str(place), *QUICK]) == 2
    assert "must be a folder" in capsys.readouterr().err
    assert place.read_text() == "mine"


@pytest.mark.parametrize("more", [[], ["--region", "128"]])
def test_a_folder_that_cannot_be_made_is_told_before_any_work(
    scene: GeneratedScene, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
):
    (tmp_path / "file").write_text("mine")
    assert main(["segment", str(scene.path), str(tmp_path / "file" / "out"), *QUICK, *more]) == 1
    told = capsys.readouterr().err
    assert "can't be written (Not a directory): choose another." in told
    assert told.count("\n") == 1


@pytest.mark.weights
def test_segment_writes_a_run(
    scene: GeneratedScene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out_dir = tmp_path / "deep" / "out"
    argv = ["segment", str(scene.path), str(out_dir), "--points-per-side", "8"]
    argv += ["--pred-iou-thresh", "0.8", "--bands", "3,2,1", "--stretch", "minmax"]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "100%" in err and "segment" in err and "write" in err
    names = {path.name for path in out_dir.iterdir()}
    required = {"labels.tif", "mask.tif", "annotations.png", "objects.gpkg", "run.json"}
    assert required <= names and not any(name.startswith(".") for name in names)
    run = json.loads((out_dir / "run.json").read_text("utf-8"))
    asked = SegmentConfig.from_dict(run["parameters"])
    assert asked.automatic == AutomaticConfig(points_per_side=8, pred_iou_thresh=0.8)
    assert (asked.bands, asked.stretch) == ((3, 2, 1), "minmax")
    layer = gpd.read_file(out_dir / "objects.gpkg", layer="objects")
    assert len(layer) == run["n_objects"] > 0
    assert f"{len(layer)} objects" in out
    with rasterio.open(out_dir / "labels.tif") as labels, rasterio.open(scene.path) as source:
        ids = set(np.unique(labels.read(1)).tolist())
        assert labels.crs == source.crs == layer.crs
        assert labels.transform == source.transform
    assert ids - {0} <= set(layer["object_id"])


@pytest.mark.weights
def test_select_chooses_again_without_a_model(
    scene: GeneratedScene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run, other, back = (tmp_path / name for name in ("run", "other", "back"))
    assert main(["segment", str(scene.path), str(run), *QUICK, "--overlap", "flatten"]) == 0
    before = json.loads((run / "run.json").read_text("utf-8"))
    flat = dataclasses.replace(SelectionRule.keep_all(), overlap="flatten")
    assert before["selection"] == dataclasses.asdict(flat)
    median_px = np.median(gpd.read_file(run / "objects.gpkg")["area_px"])
    assert main(["select", str(run), str(other), "--min-area-px", str(median_px)]) == 0
    after = json.loads((other / "run.json").read_text("utf-8"))
    assert 0 < after["n_objects"] < before["n_objects"]
    rule = SegmentConfig.from_dict(after["parameters"]).selection
    assert rule == dataclasses.replace(flat, min_area_px=median_px)
    assert f"{after['n_objects']} object" in capsys.readouterr().out
    assert main(["select", str(other), str(back), "--min-area-px", "none"]) == 0
    assert json.loads((back / "run.json").read_text("utf-8"))["n_objects"] == before["n_objects"]
    for command, code, message in [
        (["select", str(run), str(run)], 2, "another folder"),
        (["select", str(run), str(other), "--overlap", "some"], 2, "overlap must be one of"),
        (["select", str(tmp_path), str(other)], 1, "holds none"),
    ]:
        assert main(command) == code
        assert message in capsys.readouterr().err


@pytest.mark.weights
def test_segment_replaces_an_earlier_run_and_nothing_else(scene: GeneratedScene, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "run.json").write_text("old")
    argv = ["segment", str(scene.path), str(tmp_path), *QUICK, "--area", "10,20,100,90"]
    assert main(argv) == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"
    run = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert run["area_px"] == [10, 20, 110, 110]
    grid = Raster.open(scene.path).grid.window(Window(10, 20, 100, 90))
    assert Raster.open(tmp_path / "labels.tif").grid == grid


@pytest.mark.weights
def test_an_interrupt_is_130_and_leaves_nothing(scene: GeneratedScene, tmp_path: Path):
    out_dir = tmp_path / "out"
    command = [sys.executable, "-m", "samgeo_core", "segment", str(scene.path), str(out_dir)]
    command += ["--points-per-side", "200"]
    # A shell's child may have been told to ignore the signal.
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    seen = ""
    while "segment " not in seen:
        seen += process.stderr.read(1) or pytest.fail(f"it ended by itself: {seen}")
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest.rstrip().splitlines()[-1].startswith("error: interrupted")
    assert "Traceback" not in rest
    assert not out_dir.exists()


def test_every_parameter_of_sam_is_an_option(tmp_path: Path):
    grids = tmp_path / "grids.json"
    grids.write_text("[[[0.5, 0.25]], [[0.1, 0.2], [0.3, 0.4]]]")
    given = {"point_grids": str(grids), "points_per_side": "none", "crop_n_layers": "1"}
    expected = {
        "point_grids": (((0.5, 0.25),), ((0.1, 0.2), (0.3, 0.4))),
        "points_per_side": None,
        "crop_n_layers": 1,
    }
    for field in dataclasses.fields(AutomaticConfig):
        if field.name not in given:
            value = field.default / 2 if isinstance(field.default, float) else field.default + 1
            given[field.name], expected[field.name] = str(value), value
    argv = ["segment", "in.tif", "out"]
    for name, value in given.items():
        argv += [f"--{name.replace('_', '-')}", value]
    config = _automatic_config(build_parser().parse_args(argv))
    assert dataclasses.asdict(config) == expected


def test_a_file_of_points_replaces_the_grid(tmp_path: Path):
    grids = tmp_path / "grids.json"
    grids.write_text("[[[0.5, 0.25]]]")
    args = build_parser().parse_args(["segment", "a", "b", "--point-grids", str(grids)])
    assert _automatic_config(args) == AutomaticConfig(
        points_per_side=None, point_grids=(((0.5, 0.25),),)
    )


def test_no_option_is_the_default():
    args = build_parser().parse_args(["segment", "a", "b"])
    assert _automatic_config(args) == AutomaticConfig()


@pytest.mark.parametrize("config", [AutomaticConfig, SegmentConfig])
def test_every_field_is_documented(config: type):
    assert list(field_texts(config)) == [field.name for field in dataclasses.fields(config)]


def test_help_of_all_commands(capsys: pytest.CaptureFixture[str]):
    for argv in (["-h"], ["segment", "-h"], ["models", "-h"], ["samples", "-h"], ["serve", "-h"]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 0
    assert "--stability-score-thresh" in capsys.readouterr().out


def test_models_list(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["vit_t", "vit_b", "vit_l", "vit_h"]


@pytest.mark.weights
def test_models_fetch_tells_the_file(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "fetch", "vit_t"]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == find_weights("vit_t")
    assert main(["models", "fetch", "vit_x"]) == 2


@pytest.mark.weights
def test_models_fetch_from_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    weights = find_weights("vit_t")
    settings = dataclasses.replace(get_settings(), cache_dir=tmp_path / "cache")
    monkeypatch.setattr("samgeo_core.models.download.get_settings", lambda: settings)
    for source in (weights, weights.parent):
        assert main(["models", "fetch", "vit_t", "--from", str(source)]) == 0
        copy = Path(capsys.readouterr().out.strip())
        assert copy == find_weights("vit_t") == tmp_path / "cache" / weights.name
        assert copy.read_bytes() == weights.read_bytes()
        shutil.rmtree(tmp_path / "cache")
    official = tmp_path / "renamed.pth"
    official.write_bytes(b"as published")
    spec = dataclasses.replace(MODELS["vit_b"], sha256=sha256_of(official))
    monkeypatch.setitem(MODELS, "vit_b", spec)
    assert main(["models", "fetch", "vit_b", "--from", str(official)]) == 0
    assert (tmp_path / "cache" / spec.filename).read_bytes() == b"as published"
    capsys.readouterr()
    for source, message in ((official, "published checkpoint of vit_l"), ("none", "doesn't exist")):
        assert main(["models", "fetch", "vit_l", "--from", str(source)]) == 1
        assert message in capsys.readouterr().err


def test_samples_list(capsys: pytest.CaptureFixture[str]):
    assert main(["samples", "list"]) == 0
    for line in capsys.readouterr().out.splitlines():
        _, path, title = line.split("\t")
        assert Path(path).is_file() and title


def test_serve_hands_on_what_is_given():
    plain = serve_command(Path("app.py"))
    assert plain[1:] == ["-m", "streamlit", "run", "app.py", "--server.headless=true"]
    full = serve_command(
        Path("app.py"), port=80, address="0.0.0.0", base_url_path="/maps/", browser=True
    )
    assert full[5:] == [
        "--server.headless=false",
        "--server.port=80",
        "--server.address=0.0.0.0",
        "--server.baseUrlPath=maps",
    ]


def test_serve_refuses_a_port_that_is_none(capsys: pytest.CaptureFixture[str]):
    assert main(["serve", "--port", "70000"]) == 2
    assert "1 to 65535" in capsys.readouterr().err


def test_serve_serves(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "samgeo_core", "serve", "--address", "127.0.0.1"]
    command += ["--port", str(port), "--base-url-path", "maps"]
    environment = {**os.environ, "SAMGEO_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    log = (tmp_path / "log.txt").open("w+")
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        assert _answers(f"http://127.0.0.1:{port}/maps/healthz", process), log.seek(0) or log.read()
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether an address answers before its server ends, or within a minute."""
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    return False


def test_the_package_imports_without_torch_and_streamlit():
    code = (
        "import sys, samgeo_core, samgeo_core.cli\n"
        "from samgeo_core import SamGeo, Raster, segment\n"
        "heavy = {'torch', 'streamlit', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there():
    for name in samgeo_core.__all__:
        assert getattr(samgeo_core, name) is not None
    assert set(samgeo_core.__all__) <= set(dir(samgeo_core))
    with pytest.raises(AttributeError, match="nonsense"):
        samgeo_core.nonsense  # noqa: B018
