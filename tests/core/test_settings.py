from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.settings import PROJECT_DIR, Settings, get_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SAMGEO_")]:
        monkeypatch.delenv(name)


def test_an_empty_environment_gives_a_working_installation() -> None:
    settings = Settings.from_env()
    assert settings.model == "vit_t"
    assert settings.max_pixels == 2_000_000_000
    assert not settings.offline
    assert (settings.input_dir, settings.checkpoint_dir, settings.device) == (None, None, None)
    assert settings.data_dir == PROJECT_DIR / "data"


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("SAMGEO_CACHE_DIR", "/c", "cache_dir", Path("/c")),
        ("SAMGEO_DATA_DIR", "/d", "data_dir", Path("/d")),
        ("SAMGEO_INPUT_DIR", "/i", "input_dir", Path("/i")),
        ("SAMGEO_ASSETS_DIR", "/a", "assets_dir", Path("/a")),
        ("SAMGEO_CHECKPOINT_DIR", "/k", "checkpoint_dir", Path("/k")),
        ("SAMGEO_MODEL", "vit_b", "model", "vit_b"),
        ("SAMGEO_DEVICE", "cpu", "device", "cpu"),
        ("SAMGEO_OFFLINE", "Yes", "offline", True),
        ("SAMGEO_OFFLINE", "0", "offline", False),
        ("SAMGEO_COMPILED", "0", "compiled", False),
        ("SAMGEO_MAX_PIXELS", "1000", "max_pixels", 1000),
        ("SAMGEO_KEEP_DAYS", "2.5", "keep_days", 2.5),
        ("SAMGEO_MAX_PIXELS", "", "max_pixels", 2_000_000_000),
        ("SAMGEO_REGION_PX", "1024", "region_px", 1024),
        ("SAMGEO_REGION_PX", "", "region_px", 3072),
        ("SAMGEO_SCHEDULER", "tcp://10.0.0.1:8786", "scheduler", "tcp://10.0.0.1:8786"),
        ("SAMGEO_SCHEDULER", "", "scheduler", None),
        ("SAMGEO_WORKERS", "3", "workers", 3),
        ("SAMGEO_WORKERS", "", "workers", 1),
        ("SAMGEO_MAX_UNFINISHED_RUNS", "2", "max_unfinished_runs", 2),
        ("SAMGEO_MAX_UNFINISHED_RUNS", "", "max_unfinished_runs", 5),
        ("SAMGEO_MAX_RUN_PIXELS", "1e6", "max_run_pixels", 1_000_000),
        ("SAMGEO_MAX_RUN_PIXELS", "", "max_run_pixels", None),
        ("SAMGEO_MAX_VISITOR_BYTES", "5e9", "max_visitor_bytes", 5_000_000_000),
        ("SAMGEO_PASSWORD", "fields", "password", "fields"),
        ("SAMGEO_PASSWORD", "", "password", None),
        ("SAMGEO_REQUESTS_PER_MINUTE", "600", "requests_per_minute", 600),
        ("SAMGEO_METRICS_TOKEN", "t", "metrics_token", "t"),
        ("SAMGEO_ALLOWED_HOSTS", "a.b, 10.0.0.0/8", "allowed_hosts", ("a.b", "10.0.0.0/8")),
        ("SAMGEO_BASEMAP_URL", "https://a/{z}/{x}/{y}", "basemap_url", "https://a/{z}/{x}/{y}"),
        ("SAMGEO_BASEMAP_URL", "none", "basemap_url", "none"),
        ("SAMGEO_LOG_LEVEL", "warning", "log_level", "WARNING"),
        ("SAMGEO_LOG_FORMAT", "JSON", "log_format", "json"),
    ],
)
def test_every_field_comes_from_its_variable(
    name: str, text: str, field: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    assert getattr(Settings.from_env(), field) == value


def test_secrets_are_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMGEO_PASSWORD", "fields")
    monkeypatch.setenv("SAMGEO_METRICS_TOKEN", "fields")
    assert "fields" not in repr(Settings.from_env())


@pytest.mark.parametrize("name", ["SAMGEO_MAX_PIXELS", "SAMGEO_KEEP_DAYS", "SAMGEO_REGION_PX"])
@pytest.mark.parametrize("text", ["many", "-1", "0", "nan"])
def test_a_number_that_is_none_is_named(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ParameterError, match=f"{name} must be a number above 0, got '{text}'"):
        Settings.from_env()


def test_a_scheduler_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMGEO_SCHEDULER", "10.0.0.1:8786")
    with pytest.raises(ParameterError, match="tcp://"):
        Settings.from_env()


def test_a_basemap_needs_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMGEO_BASEMAP_URL", "https://maps.example.org")
    with pytest.raises(
        ParameterError, match=r"SAMGEO_BASEMAP_URL must hold \{x\}, \{y\} and \{z\}"
    ):
        Settings.from_env()


def test_are_read_once() -> None:
    assert get_settings() is get_settings()


def test_importing_the_core_loads_no_model_library() -> None:
    code = (
        "import sys; from samgeo_core import settings, objects;"
        "from samgeo_core.reading import raster, samples;"
        "print(sorted({'torch', 'streamlit', 'localtileserver'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_DIR
    )
    assert done.stdout.strip() == "[]"


def test_every_setting_is_in_the_table_for_those_who_host() -> None:
    told = set(re.findall(r"SAMGEO_[A-Z_]+", Settings.__doc__ or ""))
    table = (PROJECT_DIR / "docs" / "hosting.md").read_text("utf-8")
    assert told == set(re.findall(r"^\| `(SAMGEO_[A-Z_]+)`", table, re.MULTILINE))
    assert len(told) == len(dataclasses.fields(Settings))
