"""Exact mode against segment-anything-py's own generator: same weights, same pixels, one run.

    python -m benchmarks.exact ../shared/data/scenes/nl_river [SCENE ...] [--rounds 1]

Peer and ours take turns, each in a process of its own, so that peak memory is its own too. Seconds
are of the mask generation alone: imports and loading the model are left out on both sides.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Parse the command line and print one block per scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="+", type=Path, help="folders or images")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument("--side", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        measure(args.side, args.scenes[0], args.out)
        return
    for scene in args.scenes:
        compare(image_of(scene), args.rounds)


def image_of(scene: Path) -> Path:
    """The image of a scene's folder."""
    if scene.is_file():
        return scene
    return next(p for p in sorted(scene.glob("image.*")) if p.suffix in {".tif", ".png", ".jpg"})


def measure(side: str, image: Path, out: Path) -> None:
    """Run one side once in this process and save what it found and what it took."""
    from samgeo_core.config import AutomaticConfig
    from samgeo_core.engine.automatic import generate
    from samgeo_core.models.loading import load_model
    from samgeo_core.reading.raster import Raster
    from samgeo_core.tile import TileImage

    model = load_model("vit_t", device="cpu")
    tile = Raster.open(image).read()
    # Both sides see every pixel as data, since the peer knows no nodata.
    tile = TileImage.from_rgb(tile.rgb)
    before = peak_bytes()
    start = time.perf_counter()
    if side == "ours":
        objects = generate(model, tile, AutomaticConfig())
        seconds = time.perf_counter() - start
        masks, boxes = list(objects.masks), objects.boxes_xyxy
        scores = objects.scores
    else:
        from segment_anything import SamAutomaticMaskGenerator

        records = SamAutomaticMaskGenerator(model.sam).generate(tile.rgb)
        seconds = time.perf_counter() - start
        boxes, masks = crop_all([r["segmentation"] for r in records])
        scores = np.array([r["predicted_iou"] for r in records])
    np.savez(
        out,
        seconds=seconds,
        peak=peak_bytes(),
        before=before,
        boxes=boxes,
        scores=scores,
        sizes=np.array([m.shape for m in masks]).reshape(-1, 2),
        bits=np.concatenate([np.packbits(m) for m in masks] or [np.zeros(0, np.uint8)]),
    )


def crop_all(masks: list[Any]) -> tuple[Any, list[Any]]:
    """Boxes [N, 4], right and bottom exclusive, and the masks cropped to them."""
    boxes, crops = [], []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        x0, y0, x1, y1 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        boxes.append((x0, y0, x1, y1))
        crops.append(mask[y0:y1, x0:x1])
    return np.array(boxes).reshape(-1, 4), crops


def peak_bytes() -> int:
    """Most memory this process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def compare(image: Path, rounds: int) -> None:
    """Let both sides take turns on one image and print the comparison."""
    runs: dict[str, list[Any]] = {"peer": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds):
            for side, results in runs.items():
                out = Path(folder) / f"{side}{i}.npz"
                command = [sys.executable, "-m", "benchmarks.exact", str(image)]
                subprocess.run([*command, "--side", side, "--out", str(out)], check=True)
                with np.load(out) as data:
                    results.append(dict(data))
    print(f"{image.parent.name}/{image.name}")
    for side, results in runs.items():
        seconds = sorted(float(r["seconds"]) for r in results)
        print(
            f"  {side}: {len(results[0]['boxes'])} masks, "
            f"{statistics.median(seconds):.1f} s ({seconds[0]:.1f} to {seconds[-1]:.1f}), "
            f"peak {float(results[0]['peak']) / 2**20:.0f} MiB, of which generation "
            f"{float(results[0]['peak'] - results[0]['before']) / 2**20:.0f} MiB"
        )
    ratios = sorted(
        float(p["seconds"] / o["seconds"]) for p, o in zip(runs["peer"], runs["ours"], strict=True)
    )
    peer, ours = runs["peer"][0], runs["ours"][0]
    memory = float(peer["peak"] - peer["before"]) / float(ours["peak"] - ours["before"])
    print(
        f"  faster {statistics.median(ratios):.1f} times ({ratios[0]:.1f} to {ratios[-1]:.1f}), "
        f"peak {float(peer['peak'] / ours['peak']):.2f} times smaller, "
        f"of generation alone {memory:.1f} times"
    )
    twins = best_twins(unpack(peer), unpack(ours))
    back = best_twins(unpack(ours), unpack(peer))
    missing = [round(float(s), 3) for s, t in zip(peer["scores"], twins, strict=True) if t < 0.99]
    print(
        f"  peer's masks with a twin at IoU >= 0.99: {np.mean(twins >= 0.99):.1%}, "
        f"ours with one among the peer's: {np.mean(back >= 0.99):.1%}, "
        f"identical to the pixel: {np.mean(twins == 1):.1%}, "
        f"predicted IoU of those without: {missing}"
    )


def unpack(run: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Boxes and cropped masks of a saved run."""
    sizes = run["sizes"]
    pieces = np.split(run["bits"], np.cumsum((sizes.prod(1) + 7) // 8)[:-1])
    return [
        (box, np.unpackbits(piece, count=int(h * w)).astype(bool).reshape(h, w))
        for box, piece, (h, w) in zip(run["boxes"], pieces, sizes, strict=True)
    ]


def best_twins(masks: list[tuple[Any, Any]], others: list[tuple[Any, Any]]) -> Any:
    """For each mask the IoU of the most alike of the others."""
    areas = [int(m.sum()) for _, m in others]
    out = np.zeros(len(masks))
    for i, (box, mask) in enumerate(masks):
        area = int(mask.sum())
        for (other_box, other), other_area in zip(others, areas, strict=True):
            if min(area, other_area) <= out[i] * max(area, other_area):
                continue
            x0, y0 = np.maximum(box[:2], other_box[:2])
            x1, y1 = np.minimum(box[2:], other_box[2:])
            if x1 <= x0 or y1 <= y0:
                continue
            a = mask[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]
            b = other[y0 - other_box[1] : y1 - other_box[1], x0 - other_box[0] : x1 - other_box[0]]
            common = int((a & b).sum())
            out[i] = max(out[i], common / (area + other_area - common))
    return out


if __name__ == "__main__":
    main()
