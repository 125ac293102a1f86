"""Good files of every kind that the app takes, and what can be done to them."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from affine import Affine

from samgeo_core.reading.generated_scene import generated_scene

_SIDE = 96
_PROFILES: dict[str, dict[str, object]] = {
    "plain.tif": {"driver": "GTiff"},
    "tiled.tif": {"driver": "GTiff", "tiled": True, "blockxsize": 32, "blockysize": 32},
    "deflate.tif": {"driver": "GTiff", "compress": "deflate", "predictor": 2},
    "lzw.tif": {"driver": "GTiff", "compress": "lzw"},
    "zstd.tif": {"driver": "GTiff", "compress": "zstd", "interleave": "band"},
    "jpeg.tif": {"driver": "GTiff", "compress": "jpeg", "photometric": "ycbcr"},
    "big.tif": {"driver": "GTiff", "bigtiff": "yes"},
    "cog.tif": {"driver": "COG", "blocksize": 128},
    "image.png": {"driver": "PNG"},
    "image.jpg": {"driver": "JPEG"},
    "image.jp2": {"driver": "JP2OpenJPEG"},
}
_INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
)


def base_files(folder: Path, secret: Path) -> list[Path]:
    """Write them; among them some that point to a file elsewhere.

    Args:
        folder: where to, made here.
        secret: a raster of somebody else, written here too.
    """
    folder.mkdir()
    scene = generated_scene(folder / "scene.tif", size=_SIDE, seed=1)
    with rasterio.open(scene.path) as source:
        pixels, crs, transform = source.read(), source.crs, source.transform
    scene.path.unlink()
    for name, profile in _PROFILES.items():
        _write(folder / name, pixels[:3], crs, transform, profile)
    _write(
        folder / "deep.tif",
        (pixels[:1].astype(np.uint16) * 200),
        crs,
        transform,
        {"driver": "GTiff"},
    )
    _write(folder / "float.tif", pixels[:2].astype(np.float32), crs, transform, {"driver": "GTiff"})
    _write(secret, pixels[:3], crs, transform, {"driver": "GTiff"})
    _write_vectors(folder)
    _write_pointers(folder, secret)
    return sorted(folder.iterdir())


def mutant(folder: Path, secret: Path, seed: int, number: int) -> tuple[str, str, bytes]:
    """One of all mutants; the same for the same numbers.

    Returns:
        Suffix, name of the good file, content.
    """
    dice = random.Random(f"{seed} {number}")
    bases = sorted(folder.iterdir())
    base = bases[number % len(bases)]
    content = bytearray(base.read_bytes())
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        if content:
            _change(content, dice, secret)
    suffix = base.suffix
    if dice.random() < 0.05:
        # A name that promises something else.
        suffix = dice.choice(bases).suffix
    return suffix, base.name, bytes(content)


def _change(content: bytearray, dice: random.Random, secret: Path) -> None:
    size = len(content)
    # Headers decide most, and lie at the begin.
    near = dice.random() < 0.4
    at = dice.randrange(min(size, 512) if near else size)
    # Most keep the length, so that what comes behind is still understood.
    kind = dice.choice((0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 7))
    if kind == 0:
        content[at] ^= 1 << dice.randrange(8)
    elif kind == 1:
        value = dice.choice(_INTERESTING)
        content[at : at + len(value)] = value
    elif kind == 2:
        del content[at + 1 :]
    elif kind == 3:
        del content[at : at + dice.randrange(1, 64)]
    elif kind == 4:
        content[at:at] = content[at : at + dice.randrange(1, 512)]
    elif kind == 5:
        length = dice.randrange(1, 256)
        content[at : at + length] = bytes(min(length, size - at))
    elif kind == 6:
        content[at : at + 4] = dice.randbytes(4)
    else:
        content[at:at] = dice.choice(
            (f"/vsizip/{secret}", f"{secret}", f"file://{secret}")
        ).encode()


def _write(
    path: Path, pixels: np.ndarray, crs: object, transform: Affine, profile: dict[str, object]
) -> None:
    count, height, width = pixels.shape
    shape = {"width": width, "height": height, "count": count, "dtype": pixels.dtype}
    with rasterio.open(path, "w", crs=crs, transform=transform, **shape, **profile) as target:
        target.write(pixels)
    path.with_name(f"{path.name}.aux.xml").unlink(missing_ok=True)


def _write_vectors(folder: Path) -> None:
    boxes = shapely.box(*(np.random.default_rng(0).uniform(5, 6, (2, 20))), 6.5, 6.5)
    frame = gpd.GeoDataFrame(
        {"name": [f"n{i}" for i in range(20)], "class": "roof"}, geometry=boxes, crs="EPSG:4326"
    )
    for name, driver in (
        ("a.geojson", "GeoJSON"),
        ("a.gpkg", "GPKG"),
        ("a.fgb", "FlatGeobuf"),
        ("a.kml", "KML"),
    ):
        frame.to_file(folder / name, driver=driver)
    shapes = folder / "shapes"
    shapes.mkdir()
    frame.to_file(shapes / "a.shp")
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(shapes.iterdir()):
            archive.write(part, part.name)
            part.unlink()
    shapes.rmdir()
    (folder / "points.csv").write_text("lon,lat,label\n" + "5.1,5.2,1\n" * 20)


def _write_pointers(folder: Path, secret: Path) -> None:
    """Recipes that tell GDAL, or a reader of XML, to open another file."""
    (folder / "recipe.tif").write_text(
        f"""<VRTDataset rasterXSize="96" rasterYSize="96"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{secret}</SourceFilename>
<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
    )
    (folder / "recipe.png").write_text(
        f"""<GDAL_WMS><Service name="TMS"><ServerUrl>file://{secret}</ServerUrl></Service>
</GDAL_WMS>"""
    )
    (folder / "recipe.geojson").write_text(
        f"""<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{secret}</SrcDataSource>
</OGRVRTLayer></OGRVRTDataSource>"""
    )
    (folder / "recipe.kml").write_text(
        f"""<?xml version="1.0"?><!DOCTYPE k [<!ENTITY a SYSTEM "file://{secret}">]>
<kml><Placemark><name>&a;</name></Placemark></kml>"""
    )
    with zipfile.ZipFile(folder / "slip.zip", "w") as archive:
        archive.writestr(f"../../elsewhere/{secret.name}", b"overwritten")
        archive.writestr("a.shp", b"\0\0\x27\x0a" + bytes(96))
