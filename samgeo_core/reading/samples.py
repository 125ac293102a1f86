"""Real rasters that come with packages or lie at an address: a first look needs no upload."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from samgeo_core.errors import NotFoundError, RasterError
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.settings import get_settings
from samgeo_core.words import N_

__all__ = [
    "GeneratedScene",
    "Sample",
    "fetch_samples",
    "generated_scene",
    "list_samples",
    "sample_path",
]

_log = logging.getLogger(__name__)

_WHEEL = "deepforest==2.1.0"
_PIP_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Sample:
    """A raster to start with.

    Attributes:
        key: short name, as `sample_path` takes it.
        title: a few words.
        description: one sentence on what to see in it.
        attribution: who made it, and under which terms it may be used.
    """

    key: str
    title: str
    description: str
    attribution: str


@dataclass(frozen=True)
class _Packaged:
    """A sample inside an installed package."""

    sample: Sample
    package: str
    member: str


@dataclass(frozen=True)
class _Fetched:
    """A sample inside a wheel that `fetch_samples` gets; kept in the cache folder."""

    sample: Sample
    member: str
    sha256: str

    @property
    def path(self) -> Path:
        return get_settings().cache_dir / "samples" / Path(self.member).name


@dataclass(frozen=True)
class _Addressed:
    """A sample that `fetch_samples` gets from the web where there is any; kept in the cache."""

    sample: Sample
    url: str
    sha256: str
    size_bytes: int

    @property
    def path(self) -> Path:
        return get_settings().cache_dir / "samples" / f"{self.sample.key}.tif"


_Source = _Packaged | _Fetched | _Addressed

_LANDSAT = "Landsat 7 image courtesy of the U.S. Geological Survey (public domain)"
_NEON = (
    "National Ecological Observatory Network (NEON), open data; "
    "by way of the DeepForest package (MIT)"
)
_TILER_DATA = "tiler/data/"
_FOREST_DATA = "deepforest/data/"

_DEEPFOREST_DATA = (
    "https://raw.githubusercontent.com/weecology/DeepForest/"
    "1bad4419b3e6f7b4981a367e85acc2dda29cfc7b/src/deepforest/data/"
)

_SAMPLES: tuple[_Source, ...] = (
    _Addressed(
        Sample(
            "river-town",
            N_("River town, the Netherlands"),
            N_("Roofs, boats, trees and fields by a river, at 25 cm."),
            "By way of the DeepForest repository (MIT)",
        ),
        _DEEPFOREST_DATA + "test_tiled.tif",
        "166548440ea50b1fc2e0b1600a95b699d9b9fa80843d3a86211a53208e9f7f59",
        147_923,
    ),
    _Packaged(
        Sample(
            "salt-ponds",
            N_("Evaporation ponds, Great Salt Lake"),
            N_("Ponds and salt flats as clean fields of colour; seven bands, about 30 m."),
            _LANDSAT,
        ),
        "localtileserver",
        _TILER_DATA + "landsat.tif",
    ),
    _Fetched(
        Sample(
            "yellowstone",
            N_("Forest and road, Yellowstone"),
            N_("Single tree crowns and a road at 10 cm, without georeference."),
            _NEON,
        ),
        _FOREST_DATA + "2019_YELL_2_541000_4977000_image_crop.png",
        "178e58a23cc2642226a364a30f71bd9258ddc1b012c826f12250914a90c7a131",
    ),
    _Fetched(
        Sample(
            "florida-trees",
            N_("Open woodland, Florida"),
            N_("Tree crowns on sandy ground at 10 cm, 40 m x 40 m: small, hence quick."),
            _NEON,
        ),
        _FOREST_DATA + "OSBS_029.tif",
        "8521dbb5e8063d37d61895867dfcca7476491d1345103dc1b3fd96f71b186353",
    ),
    _Packaged(
        Sample(
            "bahamas",
            N_("Island and clouds, Bahamas"),
            N_("A satellite scene reduced to 300 m, with empty corners marked as nodata."),
            _LANDSAT,
        ),
        "localtileserver",
        _TILER_DATA + "bahamas_rgb.tif",
    ),
    _Addressed(
        Sample(
            "manila-port",
            N_("Port, Manila"),
            N_("Warehouses, a bridge, cars and containers at 10 cm."),
            "OpenAerialMap (CC-BY 4.0), by way of the DeepForest repository",
        ),
        _DEEPFOREST_DATA + "5b90f92da0d7280005fab355_4310.tif",
        "9a00098e234404861121851c90851d6c35f8c1f4b98a3b5bae0b0aeaf88cbbf0",
        621_954,
    ),
)


def list_samples() -> list[Sample]:
    """The samples that are on this machine, the most convincing first."""
    return [source.sample for source in _SAMPLES if _path(source) is not None]


def sample_path(key: str) -> Path:
    """The file of a sample.

    Raises:
        NotFoundError: no sample of this name is on this machine.
    """
    paths = (_path(source) for source in _SAMPLES if source.sample.key == key)
    path = next(paths, None)
    if path is None:
        there = ", ".join(sample.key for sample in list_samples()) or "none"
        raise NotFoundError(f"There is no sample {key!r} on this machine; there are: {there}.")
    return path


def fetch_samples() -> list[Path]:
    """Get the samples that don't come with an installed package; those there already are kept.

    Samples at a web address are a bonus: where the address can't be reached they are left out.

    Returns:
        The files of the samples that are there now.

    Raises:
        RasterError: pip can't get the package, or a file in it is not the expected one.
    """
    wanted = [source for source in _SAMPLES if isinstance(source, _Fetched)]
    missing = [source for source in wanted if not _is_intact(source)]
    if missing:
        if get_settings().offline:
            raise RasterError(
                f"The sample images need the package {_WHEEL}, but SAMGEO_OFFLINE is set; "
                "unset it once to fetch them."
            )
        with tempfile.TemporaryDirectory() as folder:
            wheel = _download(Path(folder))
            for source in missing:
                _extract(wheel, source)
    return [source.path for source in wanted] + _fetch_addressed()


def _fetch_addressed() -> list[Path]:
    """Samples at web addresses that are here or can be reached now."""
    from samgeo_core.errors import WeightsError
    from samgeo_core.models.transfer import download_file

    paths: list[Path] = []
    reachable = not get_settings().offline
    for source in _SAMPLES:
        if not isinstance(source, _Addressed):
            continue
        if not source.path.is_file() and reachable:
            source.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                download_file(
                    source.url, source.path, sha256=source.sha256, size_bytes=source.size_bytes
                )
            except WeightsError as error:
                # One attempt tells whether there is a web; the rest would only wait.
                reachable = False
                _log.info("no sample from the web: %s", error)
        if source.path.is_file():
            paths.append(source.path)
    return paths


def _path(source: _Source) -> Path | None:
    """Where a sample lies, or None where it doesn't."""
    if not isinstance(source, _Packaged):
        path = source.path
    else:
        # Found without being imported: the package brings a web server along.
        spec = importlib.util.find_spec(source.package)
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / source.member
    return path if path.is_file() else None


def _is_intact(source: _Fetched) -> bool:
    path = source.path
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256


def _download(folder: Path) -> Path:
    """The wheel, fetched by pip from the index that this machine is set up for."""
    _log.info("fetching sample images (%s)", _WHEEL)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--dest", str(folder), _WHEEL]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RasterError(
            f"The sample images could not be fetched: pip gave no answer in {_PIP_TIMEOUT_S:.0f} s."
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["no wheel arrived"]
        raise RasterError(f"The sample images could not be fetched by pip: {reason[0]}")
    return wheels[0]


def _extract(wheel: Path, source: _Fetched) -> None:
    """Check a member of the wheel and put it in its place at once."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(source.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise RasterError(f"The package {_WHEEL} holds no {source.member}.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        raise RasterError(
            f"The sample {source.member} should have SHA-256 {source.sha256}, got {found}; "
            "it was not kept."
        )
    source.path.parent.mkdir(parents=True, exist_ok=True)
    part = source.path.with_name(f"{source.path.name}.part")
    part.write_bytes(data)
    part.replace(source.path)
