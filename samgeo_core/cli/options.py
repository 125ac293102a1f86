"""Options of the command line that follow from configurations, and output that appears whole."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args, get_type_hints

from samgeo_core.config import OVERLAPS, PointGrid
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.reading.channels import ChannelTriple, channels_of_text

_METAVARS = {"point_grids": "FILE", "overlap": "|".join(OVERLAPS)}


@contextmanager
def whole_or_nothing(out_dir: Path) -> Iterator[Path]:
    """A folder whose files move into ``out_dir`` if all goes well, and vanish otherwise.

    Raises:
        ParameterError: it is a file.
        ExportError: it can't be made, or written.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise ParameterError(f"OUT_DIR must be a folder, but {out_dir} is a file.")
    made = [folder for folder in (out_dir, *out_dir.parents) if not folder.exists()]
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=out_dir, prefix=".partial-"))
    except OSError as error:
        raise ExportError(
            f"The folder {out_dir} can't be written ({error.strerror}): choose another."
        ) from error
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


def add_config_options(
    group: argparse._ArgumentGroup, config: type[Any], *, defaults: bool = True
) -> None:
    """Add one option a field of a config dataclass: its name, type, documentation, default.

    Args:
        group: where they appear.
        config: the dataclass.
        defaults: whether the documentation ends with the default.
    """
    hints, texts = get_type_hints(config), field_texts(config)
    for field in dataclasses.fields(config):
        default = f" Default: {_shown(field.default)}." if defaults else ""
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            type=_parser_of(field.name, hints[field.name]),
            default=argparse.SUPPRESS,
            metavar=_METAVARS.get(field.name, "N"),
            help=(texts[field.name] + default).replace("%", "%%"),
        )


def given_values(args: argparse.Namespace, config: type[Any]) -> dict[str, Any]:
    """What options of `add_config_options` were given, by the name of the field."""
    given = vars(args)
    return {f.name: given[f.name] for f in dataclasses.fields(config) if f.name in given}


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


def _point_grids(text: str) -> tuple[PointGrid, ...]:
    """Point grids of a JSON file: one list of [x, y] in 0 to 1 a layer."""
    try:
        layers = json.loads(Path(text).read_text(encoding="utf-8"))
        return tuple(tuple((float(x), float(y)) for x, y in layer) for layer in layers)
    except (OSError, ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(
            f"a JSON file with one list of [x, y] a layer is needed ({error})"
        ) from error


def whole_numbers(text: str, count: int, what: str) -> Sequence[int]:
    """Numbers with commas between them, as the value of an option.

    Raises:
        ArgumentTypeError: the text is none such; says what is needed.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise argparse.ArgumentTypeError(f"{what} is needed, got {text!r}")
    return numbers


def channels(text: str) -> ChannelTriple:
    """Three channels, or one for all three, as the value of an option."""
    try:
        found = channels_of_text(text)
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return (found[0], found[1], found[2]) if len(found) == 3 else (found[0],) * 3
