"""Try mutants one after the other, and tell of each on a line of its own.

Started by `benchmarks.fuzz`, which notices where a worker dies.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

from benchmarks.fuzz import MEMORY_BYTES, PIXELS, SECONDS_A_FILE
from benchmarks.fuzz_files import mutant
from samgeo_core.errors import SamGeoError
from samgeo_core.picking.prompt_files import read_prompts
from samgeo_core.reading.vector_files import SUFFIXES, read_vector_file
from samgeo_core.web.store import Store
from samgeo_core.web.tiles import TileRenderer


def main() -> None:
    """Go through the numbers of the command line."""
    folder, secret = Path(sys.argv[1]), Path(sys.argv[2])
    seed, begin, end = map(int, sys.argv[3:6])
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    work = folder / f"work-{begin}"
    store = Store(work / "store", max_pixels=PIXELS)
    for number in range(begin, end):
        suffix, base, content = mutant(folder / "bases", secret, seed, number)
        _tell({"begins": number})
        path = work / f"upload{suffix}"
        path.write_bytes(content)
        signal.alarm(int(SECONDS_A_FILE))
        outcome, words = _outcome(store, path)
        signal.alarm(0)
        _tell({"suffix": suffix, "base": base, "outcome": outcome, "words": words})


def _outcome(store: Store, path: Path) -> tuple[str, str]:
    try:
        if path.suffix in SUFFIXES:
            _read_vectors(path)
        elif path.suffix == ".csv":
            read_prompts(path)
        else:
            _open_scene(store, path)
    except SamGeoError as error:
        words = str(error)
        if str(path.parent) in words:
            return "a path told", words
        return ("a sentence" if words.endswith((".", "?")) else "no sentence"), words
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
        return "a traceback", f"{type(error).__name__}: {error} ({where})"
    return "opened", ""


def _open_scene(store: Store, path: Path) -> None:
    """As the page *Open* does: a scene, its facts, a preview, tiles."""
    with path.open("rb") as stream:
        scene = store.add_scene(stream, path.name, "stranger")
    try:
        raster = scene.raster
        raster.preview(64, stretch=scene.stretch)
        raster.valid_share()
        zoom = min(scene.frame.native_zoom, 24)
        for z in (0, zoom):
            TileRenderer().scene_tile(scene, z, 0, 0)
    finally:
        store.delete_scene(scene.scene_id)


def _read_vectors(path: Path) -> None:
    """As prompts and references are read, down to the last corner."""
    frame = read_vector_file(path, noun="outlines", most=10_000)
    assert frame.geometry.notna().sum() >= 0
    read_prompts(path)


def _tell(line: dict[str, object]) -> None:
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
