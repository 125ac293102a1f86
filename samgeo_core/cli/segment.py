"""The command ``segment``: one raster in, one folder of results out."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args, get_type_hints

from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.config import PRESETS, AutomaticConfig, PointGrid, SegmentConfig
from samgeo_core.errors import ParameterError
from samgeo_core.reading.stretch import STRETCH_MODES
from samgeo_core.settings import get_settings
from samgeo_core.windows import Window


def add_segment_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options; those of SAM follow from `AutomaticConfig`."""
    parser = commands.add_parser(
        "segment",
        allow_abbrev=False,
        help="segment a raster into objects",
        description="Segment a raster and write labels.tif, mask.tif, annotations.png, "
        "objects.gpkg, objects.npz and run.json.",
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="GeoTIFF, PNG, JPEG, JPEG 2000")
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder of the results")
    settings = get_settings()
    parser.add_argument(
        "--model", default=settings.model, help="vit_t, vit_b, vit_l or vit_h (%(default)s)"
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="weights of your own for the model")
    parser.add_argument("--device", default=settings.device, help="cuda, mps or cpu (the best)")
    parser.add_argument(
        "--bands", type=_bands, metavar="R,G,B", help="bands shown to the model (1,2,3)"
    )
    parser.add_argument(
        "--stretch",
        choices=STRETCH_MODES,
        default="auto",
        help="how values become 8 bits (%(default)s)",
    )
    parser.add_argument(
        "--window",
        type=_window_px,
        default=None,
        metavar="PX|whole",
        help="side of the windows the raster is read in (whole)",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default=PRESETS[0], help="how thorough (%(default)s)"
    )
    parser.add_argument(
        "--area", type=_area, metavar="X,Y,W,H", help="only this part of the raster, in px"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    add_config_options(parser.add_argument_group("parameters of SAM"), AutomaticConfig)
    parser.set_defaults(command=run_segment)


def run_segment(args: argparse.Namespace) -> int:
    """Segment a raster, and put the results in place once all of them are written."""
    config = SegmentConfig(
        model=args.model,
        checkpoint=args.checkpoint,
        device=args.device,
        bands=args.bands,
        stretch=args.stretch,
        window_px=args.window,
        preset=args.preset,
        automatic=_automatic_config(args),
    )
    from samgeo_core.pipeline import segment, write_run
    from samgeo_core.reading.raster import Raster

    raster = Raster.open(args.input)
    with _whole_or_nothing(args.out_dir) as folder, TerminalProgress(not args.quiet) as progress:
        segmentation = segment(raster, config, area=args.area, monitor=progress.monitor)
        write_run(segmentation, folder, progress.monitor)
    count = len(segmentation.objects)
    sys.stdout.write(f"{count} object{'' if count == 1 else 's'} in {args.out_dir}\n")
    return 0


@contextmanager
def _whole_or_nothing(out_dir: Path) -> Iterator[Path]:
    """A folder whose files move into ``out_dir`` if all goes well, and vanish otherwise."""
    if out_dir.exists() and not out_dir.is_dir():
        raise ParameterError(f"OUT_DIR must be a folder, but {out_dir} is a file.")
    made = [folder for folder in (out_dir, *out_dir.parents) if not folder.exists()]
    out_dir.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=out_dir, prefix=".partial-"))
    try:
        yield partial
        for path in sorted(partial.iterdir()):
            path.replace(out_dir / path.name)
        partial.rmdir()
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for folder in made:
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def add_config_options(group: argparse._ArgumentGroup, config: type[Any]) -> None:
    """Add one option a field of a config dataclass: its name, type, default and documentation."""
    hints, texts = get_type_hints(config), field_texts(config)
    for field in dataclasses.fields(config):
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            type=_parser_of(field.name, hints[field.name]),
            default=argparse.SUPPRESS,
            metavar="FILE" if field.name == "point_grids" else "N",
            help=f"{texts[field.name]} Default: {_shown(field.default)}.".replace("%", "%%"),
        )


def field_texts(config: type[Any]) -> dict[str, str]:
    """What the docstring of a dataclass says about each of its fields (section *Attributes*)."""
    section = inspect.getdoc(config) or ""
    section = section.partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _shown(default: object) -> str:
    return f"{default:.4g}" if isinstance(default, float) else str(default).lower()


def _parser_of(name: str, hint: Any) -> Callable[[str], Any]:
    """The function that reads an option's text."""
    if name == "point_grids":
        return _point_grids
    kinds = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)]
    number: Callable[[str], Any] = kinds[0]
    if len(get_args(hint)) < 2:
        return number

    def number_or_none(text: str) -> Any:
        return None if text.lower() == "none" else number(text)

    number_or_none.__name__ = f"{kinds[0].__name__} or none"
    return number_or_none


def _automatic_config(args: argparse.Namespace) -> AutomaticConfig:
    given = vars(args)
    values = {f.name: given[f.name] for f in dataclasses.fields(AutomaticConfig) if f.name in given}
    if values.get("point_grids") is not None:
        values.setdefault("points_per_side", None)
    return AutomaticConfig(**values)


def _point_grids(text: str) -> tuple[PointGrid, ...]:
    """Point grids of a JSON file: one list of [x, y] in 0 to 1 a layer."""
    try:
        layers = json.loads(Path(text).read_text(encoding="utf-8"))
        return tuple(tuple((float(x), float(y)) for x, y in layer) for layer in layers)
    except (OSError, ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(
            f"a JSON file with one list of [x, y] a layer is needed ({error})"
        ) from error


def _numbers(text: str, count: int, what: str) -> Sequence[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise argparse.ArgumentTypeError(f"{what} is needed, got {text!r}")
    return numbers


def _bands(text: str) -> tuple[int, int, int]:
    red, green, blue = _numbers(text, 3, "three band numbers such as 1,2,3")
    return red, green, blue


def _area(text: str) -> Window:
    try:
        return Window(*_numbers(text, 4, "x,y,width,height in px"))
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _window_px(text: str) -> int | None:
    if text == "whole":
        return None
    return int(_numbers(text, 1, "a number of px or the word whole")[0])
