"""Asking one window for masks at many points, and what is known of each mask that comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from samgeo_core.engine.decoder import PromptState
from samgeo_core.engine.encoder import Embedding, encode
from samgeo_core.engine.image_terms import ImageTerms
from samgeo_core.engine.masks import Extent, LogitCrop, MaskGrid, mask_grid
from samgeo_core.engine.predictor import (
    compute_image_terms,
    decode_masks,
    decoder_of,
    to_input_frame,
)
from samgeo_core.engine.sketch import Bounds, Seen, sketched_masks
from samgeo_core.engine.threads import side_by_side
from samgeo_core.models.loading import LoadedModel
from samgeo_core.objects import BoolMask
from samgeo_core.progress import Monitor
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW, Window

M = TypeVar("M")


@dataclass(frozen=True)
class Floor:
    """What a mask must reach to become a candidate.

    Attributes:
        score: predicted IoU must be above this.
        stability: stability score must be at least this.
        offset: shift of the cutoff by which stability is measured, in logits.
        edge_px: a mask this near an edge of its window that is no edge of the tile is cut, px.
        largest_share: a mask that covers more of its window is left out.
        sketch: on a CPU, form masks only around what a few probes show of them
            (engine/sketch.py), and measure large ones by their logits alone; not to the last
            pixel what SAM's decoder says.
    """

    score: float
    stability: float
    offset: float
    edge_px: float
    largest_share: float = 1.0
    sketch: bool = False


@dataclass(frozen=True, eq=False)
class Candidate:
    """One mask that reached the floor, in the frame of the whole tile.

    Attributes:
        box: first and last column and row (x0, y0, x1, y1), all inclusive, px.
        point_xy: the prompt, px.
        score, stability: predicted IoU and stability score.
        window: where it was seen.
    """

    crop: LogitCrop
    grid: MaskGrid
    window: Window
    box: tuple[int, int, int, int]
    point_xy: tuple[float, float]
    score: float
    stability: float
    threshold: float

    def mask(self) -> tuple[BoolMask, tuple[int, int]]:
        """The mask at the tile's resolution, [h, w], and the column and row where it starts."""
        logits, offset_xy = self.logits()
        return logits > 0, offset_xy

    def logits(self) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """The mask's logits less the threshold, float32 [h, w], and where they start."""
        full, (x, y) = self.grid.resample(self.crop)
        above: NDArray[np.float32] = (full - self.threshold).float().cpu().numpy()
        return above, (x + self.window.x, y + self.window.y)


@dataclass(frozen=True, eq=False)
class EncodedWindow:
    """A window of a tile, encoded, that can be asked for masks.

    Attributes:
        window: the part of the tile.
        shape_hw: of the whole tile, px.
        floor: what masks must reach.
    """

    model: LoadedModel
    embedding: Embedding
    terms: tuple[ImageTerms, ...]
    grid: MaskGrid
    window: Window
    shape_hw: ShapeHW
    floor: Floor
    seen: Seen = field(default_factory=Seen)

    @classmethod
    def encode(
        cls, model: LoadedModel, tile: TileImage, window: Window, floor: Floor,
        dtype: torch.dtype = torch.float32,
    ) -> EncodedWindow:  # fmt: skip
        """Encode a window of a tile, its matrix products in a type of numbers."""
        rgb = np.ascontiguousarray(tile.rgb[window.slices])
        embedding = encode(model, TileImage(rgb, tile.valid[window.slices]), dtype)
        side = model.sam.image_encoder.img_size
        logits_side = 4 * decoder_of(model).side
        grid = mask_grid(window.shape_hw, embedding.input_hw, side, logits_side, model.device)
        terms = compute_image_terms(model, embedding)
        return cls(model, embedding, terms, grid, window, tile.shape_hw, floor)

    @property
    def _sketches(self) -> bool:
        """Whether masks are formed no more closely than need be."""
        return self.floor.sketch and self.model.device.type == "cpu"

    def ask(
        self, points_xy: NDArray[np.float64], batch: int, make: Callable[[Candidate], M | None],
        monitor: Monitor, done: int, total: int,
    ) -> Iterator[M]:  # fmt: skip
        """What is made of the candidates of points [K, 2], px of the window, in their order.

        Args:
            points_xy: one prompt each.
            batch: prompts decoded together.
            make: what to make of a candidate where it was found, beside others on other cores;
                None drops it.
            monitor: hears of the stage "decode" as ``done`` grows towards ``total``.
            done: prompts that were asked before.
            total: prompts of the whole work.
        """
        batch = min(batch, decoder_of(self.model).tiling.prompts)
        batches = [points_xy[i : i + batch] for i in range(0, len(points_xy), batch)]
        monitor.step("decode", done, total)

        def work(xy: NDArray[np.float64]) -> tuple[list[M], Seen]:
            candidates, seen = self._candidates(xy)
            made = (make(candidate) for candidate in candidates)
            return [each for each in made if each is not None], seen

        with closing(side_by_side(work, batches, self.model.device)) as results:
            met = []
            for xy, (found, seen) in zip(batches, results, strict=True):
                yield from found
                met.append(seen)
                done += len(xy)
                monitor.step("decode", done, total)
        # Only now, so that no batch depends on which other was faster.
        for seen in met:
            self.seen.add(seen)

    def _candidates(self, xy: NDArray[np.float64]) -> tuple[list[Candidate], Seen]:
        decoder, device = decoder_of(self.model), self.model.device
        coords = torch.as_tensor(to_input_frame(self.embedding, xy), dtype=torch.float32)
        prompts = coords.to(device)[:, None], torch.ones(len(xy), 1, device=device)
        sparse, _ = self.model.sam.prompt_encoder(points=prompts, boxes=None, masks=None)
        state = decoder.transform(self.terms, sparse)
        wanted = state.iou > self.floor.score
        scores = state.iou.tolist()
        found: list[Candidate] = []
        seen = Seen(self.seen)
        for prompt, head, logits in self._masks(state, wanted, coords, seen):
            threshold = self.model.sam.mask_threshold
            floor = self.floor
            extents = self.grid.extents(logits, threshold, floor.offset, floor.stability)
            for i, extent in enumerate(extents):
                if extent and self._passes(extent):
                    at = prompt[i]
                    point = xy[at] + (self.window.x, self.window.y)
                    score = scores[at][head[i]]
                    found.append(self._candidate(logits[i], extent, point, score))
        return found, seen

    def _masks(
        self, state: PromptState, wanted: torch.Tensor, coords: torch.Tensor, seen: Seen
    ) -> Iterator[tuple[list[int], list[int], torch.Tensor]]:
        """Prompt and head of each mask, and logits [W, 256, 256], some masks at a time."""
        decoder, sam = decoder_of(self.model), self.model.sam
        if self._sketches:
            side, input_h, input_w = decoder.side, *self.embedding.input_hw
            step = sam.image_encoder.img_size // side
            # Edges of the tile cut nothing, and padding is no edge of the window.
            x, y, right, bottom = self.window.box_xyxy
            cut = (
                y > 0,
                x > 0,
                bottom < self.shape_hw[0] and input_h == side * step,
                right < self.shape_hw[1] and input_w == side * step,
            )
            share = self.floor.largest_share * input_h * input_w / (side * step) ** 2
            bounds = Bounds(sam.mask_threshold - self.floor.offset, cut, share)
            places = [(int(v) // step, int(u) // step) for u, v in coords.tolist()]
            for i, heads, logits in sketched_masks(
                decoder, self.terms, state, wanted, places, bounds, seen
            ):
                yield [i] * len(heads), heads, logits
            return
        where = wanted.nonzero().tolist()
        for logits in decode_masks(decoder, self.terms, state, wanted):
            part, where = where[: len(logits)], where[len(logits) :]
            yield [i for i, _ in part], [head for _, head in part], logits

    def _passes(self, extent: Extent) -> bool:
        """Whether a mask is stable and not cut by its window."""
        window, floor = self.window, self.floor
        if not extent.area or (floor.stability > 0 and not extent.stability >= floor.stability):
            return False
        height, width = self.shape_hw
        sides = zip(extent.box, window.box_xyxy, (0, 0, width, height), strict=True)
        return not any(
            abs(at + start - edge) <= floor.edge_px < abs(at + start - end)
            for (at, edge, end), start in zip(sides, (window.x, window.y) * 2, strict=True)
        )

    def _candidate(
        self, logits: torch.Tensor, extent: Extent, point_xy: NDArray[np.float64], score: float
    ) -> Candidate:
        x0, y0, x1, y1 = extent.box
        window = self.window
        # A pixel more on every side, so that the outline lies between known logits.
        height, width = window.shape_hw
        wide = max(x0 - 1, 0), max(y0 - 1, 0), min(x1 + 1, width - 1), min(y1 + 1, height - 1)
        return Candidate(
            self.grid.crop(logits, wide),
            self.grid,
            window,
            (x0 + window.x, y0 + window.y, x1 + window.x, y1 + window.y),
            (float(point_xy[0]), float(point_xy[1])),
            score,
            extent.stability,
            self.model.sam.mask_threshold,
        )
