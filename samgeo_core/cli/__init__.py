"""The command line: ``python -m samgeo_core``."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from samgeo_core import __version__
from samgeo_core.cli.basemap import add_basemap_command
from samgeo_core.cli.compare import add_compare_command
from samgeo_core.cli.preflight import add_preflight_command
from samgeo_core.cli.prompt import add_prompt_command
from samgeo_core.cli.report import add_report_command
from samgeo_core.cli.segment import add_segment_command
from samgeo_core.cli.select import add_select_command
from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.cli.vectorize import add_vectorize_command
from samgeo_core.errors import CancelledError, ParameterError, SamGeoError
from samgeo_core.settings import PROJECT_DIR

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments after the program's name; those of the process by default.

    Returns:
        The exit code: 0 done, 1 an error told in one line on stderr, 2 a wrong argument,
        130 interrupted.
    """
    args = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(levelname)s: %(message)s",
        stream=sys.stderr,
    )
    command: Command = args.command
    try:
        return command(args)
    except CancelledError as error:
        return _fail(str(error), INTERRUPTED)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was written.", INTERRUPTED)
    except ParameterError as error:
        return _fail(str(error), USAGE)
    except (SamGeoError, OSError) as error:
        return _fail(str(error), FAILED)


def _fail(message: str, code: int) -> int:
    """Tell an error in one line."""
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m samgeo_core",
        description="Turn aerial and satellite images into vector layers with SAM.",
    )
    parser.add_argument("--version", action="version", version=f"samgeo_core {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what is being done")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_segment_command(commands)
    add_select_command(commands)
    add_prompt_command(commands)
    add_preflight_command(commands)
    add_vectorize_command(commands)
    add_compare_command(commands)
    add_report_command(commands)
    add_basemap_command(commands)
    _add_models_command(commands)
    _add_samples_command(commands)
    _add_serve_command(commands)
    return parser


def _add_models_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("models", help="list or fetch model weights")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the models there are, and where their weights lie")
    listing.set_defaults(command=_models_list)
    fetch = actions.add_parser("fetch", help="bring the weights of a model into the cache folder")
    fetch.add_argument("name", metavar="NAME", help="vit_t, vit_b, vit_l or vit_h")
    fetch.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="copy them from this file or folder instead",
    )
    fetch.set_defaults(command=_models_fetch)


def _models_list(args: argparse.Namespace) -> int:
    from samgeo_core.models.download import find_weights
    from samgeo_core.models.registry import MODELS

    for spec in MODELS.values():
        size = f"{spec.size_bytes / 1e6:,.0f} MB"
        place = find_weights(spec.name) or "not fetched"
        sys.stdout.write(f"{spec.name}  {size:>8}  {spec.licence}  {spec.title}: {place}\n")
    return OK


def _models_fetch(args: argparse.Namespace) -> int:
    from samgeo_core.models.download import adopt_weights, fetch_weights

    if args.source is not None:
        path = adopt_weights(args.name, args.source)
    else:
        with TerminalProgress() as progress:
            path = fetch_weights(args.name, monitor=progress.monitor)
    sys.stdout.write(f"{path}\n")
    return OK


def _add_samples_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("samples", help="list or fetch sample rasters")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the samples that are here, with their paths")
    listing.set_defaults(command=_samples_list)
    fetch = actions.add_parser("fetch", help="bring more samples into the cache folder")
    fetch.set_defaults(command=_samples_fetch)


def _samples_list(args: argparse.Namespace) -> int:
    from samgeo_core.reading.samples import list_samples, sample_path

    for sample in list_samples():
        sys.stdout.write(f"{sample.key}\t{sample_path(sample.key)}\t{sample.title}\n")
    return OK


def _samples_fetch(args: argparse.Namespace) -> int:
    from samgeo_core.reading.samples import fetch_samples

    fetch_samples()
    return _samples_list(args)


def _add_serve_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="start the app in the browser")
    parser.add_argument("--port", type=int, help="port to listen on (8501)")
    parser.add_argument("--address", metavar="HOST", help="address to listen on")
    parser.add_argument(
        "--base-url-path", metavar="PATH", help="path under which a proxy serves the app"
    )
    parser.add_argument("--browser", action="store_true", help="open a browser window")
    parser.set_defaults(command=_serve)


def serve_command(
    app: Path,
    *,
    port: int | None = None,
    address: str | None = None,
    base_url_path: str | None = None,
    browser: bool = False,
) -> list[str]:
    """The command that starts the app; what is not given is left to .streamlit/config.toml."""
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    command.append(f"--server.headless={'false' if browser else 'true'}")
    if port is not None:
        command.append(f"--server.port={port}")
    if address is not None:
        command.append(f"--server.address={address}")
    if base_url_path is not None:
        command.append(f"--server.baseUrlPath={base_url_path.strip('/')}")
    return command


def _serve(args: argparse.Namespace) -> int:
    app = PROJECT_DIR / "app.py"
    if not app.is_file():
        raise SamGeoError(f"The app needs {app}, which is not there: run from a full checkout.")
    if args.port is not None and not 1 <= args.port <= 65535:
        raise ParameterError(f"--port must be 1 to 65535, got {args.port}.")
    command = serve_command(
        app,
        port=args.port,
        address=args.address,
        base_url_path=args.base_url_path,
        browser=args.browser,
    )
    # NOTE: Streamlit reads .streamlit/config.toml from the working directory.
    if os.name == "posix":
        os.chdir(PROJECT_DIR)
        os.execv(command[0], command)
    return subprocess.call(command, cwd=PROJECT_DIR)
