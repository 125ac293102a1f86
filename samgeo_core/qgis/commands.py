"""The command line and the lines of Python that make a result again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samgeo_core.config import AutomaticConfig, SegmentConfig, SelectionRule

IMAGE, OUT = "IMAGE.tif", "results"


def segment_command(record: Mapping[str, Any]) -> str:
    """The command of a run.

    Args:
        record: its run.json.
    """
    config = _config_of(record)
    words = ["python", "-m", "samgeo_core", "segment", IMAGE, OUT, "--preset", config.preset]
    words += _model_words(config)
    # In pixels a purpose needs a resolution that only whoever gave it knows; its limits are told.
    if config.purpose is not None and config.rule.min_area_m2 is not None:
        words += ["--purpose", config.purpose]
    if config.window_px is not None:
        words += ["--window", str(config.window_px)]
    if area := _part_of(record):
        words += ["--area", ",".join(map(str, area))]
    plain = AutomaticConfig()
    for item in dataclasses.fields(plain):
        value = getattr(config.automatic, item.name)
        if value != getattr(plain, item.name) and item.name != "point_grids":
            words += [f"--{item.name.replace('_', '-')}", str(value)]
    if streaming := record.get("streaming"):
        words += ["--region", str(streaming["region_px"]), "--margin", str(streaming["margin_px"])]
    return shlex.join([*words, *_rule_words(record, config)])


def prompt_command(record: Mapping[str, Any], prompts: str) -> str:
    """The command that asks for picked objects again.

    Args:
        record: run.json of what was picked.
        prompts: name of the file of prompts.
    """
    config = _config_of(record)
    words = ["python", "-m", "samgeo_core", "prompt", IMAGE, prompts, "objects.gpkg"]
    return shlex.join([*words, *_model_words(config)])


def python_lines(record: Mapping[str, Any]) -> str:
    """The same in Python.

    Args:
        record: run.json.
    """
    config = _config_of(record)
    area = _part_of(record)
    more = f", area=Window({', '.join(map(str, area))})" if area else ""
    begin = [
        "from pathlib import Path",
        "from samgeo_core import Raster, SegmentConfig, Window, segment, write_run",
        f"config = SegmentConfig.from_dict({config.to_dict()!r})",
        f'out = Path("{OUT}")',
        "out.mkdir(exist_ok=True)",
    ]
    if streaming := record.get("streaming"):
        cut = f"StreamOptions({streaming['region_px']}, {streaming['margin_px']})"
        begin[1:2] = [
            "from samgeo_core import Raster, SegmentConfig, Window",
            "from samgeo_core.streaming.options import NO_LIMIT_PX, StreamOptions",
            "from samgeo_core.streaming.run import segment_to_folder",
        ]
        image = f'Raster.open("{IMAGE}", max_pixels=NO_LIMIT_PX)'
        end = [f"segment_to_folder({image}, out, config, {cut}{more})"]
    else:
        end = [f'write_run(segment(Raster.open("{IMAGE}"), config{more}), out)']
    return "\n".join([*begin, *end])


def _model_words(config: SegmentConfig) -> list[str]:
    """The model, and what it is shown."""
    words = ["--model", config.model]
    if config.checkpoint is not None:
        words += ["--checkpoint", config.checkpoint]
    if config.bands is not None:
        words += ["--bands", ",".join(map(str, config.bands))]
    if config.stretch != "auto":
        words += ["--stretch", config.stretch]
    return words


def _config_of(record: Mapping[str, Any]) -> SegmentConfig:
    """What a run was asked for; of a checkpoint its name, as its place is the server's business."""
    config = SegmentConfig.from_dict(record.get("parameters", {}))
    if config.checkpoint is None:
        return config
    return dataclasses.replace(config, checkpoint=Path(config.checkpoint).name)


def _rule_words(record: Mapping[str, Any], config: SegmentConfig) -> list[str]:
    """What differs from the rule of the preset."""
    written = record.get("selection")
    if not written:
        return []
    rule, words = SelectionRule.from_dict(written), []
    plain = dataclasses.replace(config, selection=None).rule
    for item in dataclasses.fields(rule):
        value = getattr(rule, item.name)
        if value != getattr(plain, item.name):
            words += [f"--{item.name.replace('_', '-')}", str(value).lower()]
    return words


def _part_of(record: Mapping[str, Any]) -> list[int] | None:
    """Column, row, width and height of what was segmented, px; run.json has its corners."""
    if not record.get("area_px"):
        return None
    left, top, right, bottom = (int(value) for value in record["area_px"])
    return [left, top, right - left, bottom - top]
