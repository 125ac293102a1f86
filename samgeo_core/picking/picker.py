"""From prompts on a raster to the masks of one object, whatever the size of the raster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from samgeo_core.errors import NotReadyError, ParameterError
from samgeo_core.models.loading import LoadedModel
from samgeo_core.picking.embeddings import EmbeddingKey, EmbeddingStore, WindowEmbedding
from samgeo_core.picking.masks import Pick, PickedMask
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.picking.windows import (
    fitting_side,
    holds,
    lattice_sides,
    lattice_windows,
    window_around,
)
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.channels import Channel
from samgeo_core.reading.pixels import fit_shape
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.windows import ShapeHW, Window
from samgeo_core.words import N_

__all__ = ["Pick", "PickEffort", "PickMode", "PickedMask", "Picker"]

PickMode = Literal["adaptive", "exact"]
PickEffort = Literal["quick", "full"]

STAGE = "encode"
VIEW_SHARE = 0.25
"""The longer side of what people point at, as a share of what they see."""
MOST_ASKED_SIDE_PX = 2048
"""The largest window that is compared where neither prompts nor a view tell the scale."""
QUICK_SIDE_PX = 512
"""The window that a quick answer looks at there."""
MOST_REACH_PX = 16384
_MOST_EXACT_PX = 100_000_000
_NO_DATA = N_("There is no data at this place: point at a part of the image.")


class Picker:
    """Answers prompts on one raster. It keeps nothing of who asks, so that visitors may share it.

    Args:
        raster: what is looked at.
        model: a loaded model.
        bands: three channels, or one, see `Raster.stretch`; None takes the raster's own.
        stretch: how values become 8 bits, over the whole raster.
        embeddings: keeps the embeddings of windows.
        mode: adaptive answers from a window of fitting scale around the prompts; exact as
            segment-anything-py's `SamPredictor` on the whole image, but for pixels without data.

    Raises:
        ParameterError: unknown mode, stretch or bands; or too large a raster for exact mode.
        RasterError: the file is damaged.
    """

    def __init__(
        self,
        raster: Raster,
        model: LoadedModel,
        *,
        bands: Sequence[Channel] | None = None,
        stretch: StretchMode = "auto",
        embeddings: EmbeddingStore,
        mode: PickMode = "adaptive",
    ) -> None:
        if mode not in get_args(PickMode):
            raise ParameterError(f"The mode must be adaptive or exact, got {mode!r}.")
        height, width = raster.shape_hw
        if mode == "exact" and height * width > _MOST_EXACT_PX:
            raise ParameterError(
                f"Exact mode looks at the whole image at once, but this one has {width} x {height} "
                "px: use adaptive mode."
            )
        self.raster, self.model, self.mode = raster, model, mode
        self._store = embeddings
        self._stretch = raster.stretch(bands, stretch)
        self._raster_sha256 = raster.sha256

    def pick(
        self,
        prompts: ObjectPrompts,
        *,
        view: Window | None = None,
        ready_only: bool = False,
        effort: PickEffort = "full",
    ) -> Pick:
        """Masks of the object that prompts point at.

        Args:
            prompts: px of the raster.
            view: what the person sees, px of the raster: tells the scale where prompts don't.
                Without it, windows of all scales are encoded for points.
            ready_only: answer from windows that are encoded already.
            effort: quick asks one window; full compares several scales for points. With a view
                those that are encoded already join the window that fits it.

        Raises:
            ParameterError: the prompts lie outside the raster, where there is no data, or no mask
                is found.
            NotReadyError: with ``ready_only``, no fitting window is encoded yet.
            RasterError: the file is damaged.
        """
        from samgeo_core.engine.threads import side_by_side
        from samgeo_core.picking.decoding import Decoded, decode, form_masks
        from samgeo_core.picking.votes import rank

        prompts.check_inside(self.raster.shape_hw)
        exact = self.mode == "exact"
        multimask = True if exact else None

        def ask(encoded: WindowEmbedding) -> Decoded:
            terms = self._store.terms(self._key(encoded.window), self.model, encoded)
            return decode(self.model, encoded, terms, prompts, multimask=multimask)

        windows = self._windows(prompts, view, ready_only, effort == "full")
        on_it = prompts.points_xy[prompts.labels == 1]
        if not prompts.has_size and not windows[0].has_data(on_it).any():
            raise ParameterError(_NO_DATA)
        views = list(side_by_side(ask, windows, self.model.device))
        view_px = None if view is None else max(view.shape_hw)
        best_first = rank(views, prompts, view_px=view_px, by_score=exact)
        tidy_for = None if exact else prompts
        formed = [
            (mask, at) for at in best_first for mask in form_masks(views[at[0]], [at[1]], tidy_for)
        ]
        if not formed:
            raise ParameterError("No object was found there: try another place or a box.")
        _, chosen = formed[0]
        formed.sort(key=lambda item: item[0].area_px)
        return Pick(
            tuple(mask for mask, _ in formed),
            [at for _, at in formed].index(chosen),
            views[chosen[0]].encoded.window,
        )

    def prepare(self, view: Window, monitor: Monitor = SILENT) -> None:
        """Encode the windows that clicks in a view will need, those in its middle first.

        Args:
            view: what the person sees, px of the raster.
            monitor: hears of each window, and may cancel.

        Raises:
            CancelledError: the monitor says so.
            RasterError: the file is damaged.
        """
        seen = view.intersection(Window.whole(self.raster.shape_hw))
        if seen is None:
            return
        windows = self._view_windows(seen)
        for i, window in enumerate(windows):
            monitor.step(STAGE, i, len(windows))
            try:
                encoded = self._encoded(window)
            except ParameterError:
                continue  # no data there
            # What the first click in a window would have to wait for beside its embedding.
            self._store.terms(self._key(window), self.model, encoded)
        monitor.step(STAGE, len(windows), len(windows))

    def windows_for(self, prompts: ObjectPrompts, view: Window | None = None) -> list[Window]:
        """The windows that are compared for prompts, the most fitting first."""
        shape_hw = self.raster.shape_hw
        if self.mode == "exact":
            return [Window.whole(shape_hw)]
        sides = lattice_sides(shape_hw)
        if prompts.has_size:
            at = sides.index(self._side(prompts, view))
            chosen = sides[at : at + 2]
        elif view is None:
            chosen = [side for side in sides if side <= MOST_ASKED_SIDE_PX]
        else:
            at = sides.index(self._side(prompts, view))
            chosen = [sides[i] for i in (at, at + 1, at - 1) if 0 <= i < len(sides)]
        return self._around(prompts, chosen)

    def _around(self, prompts: ObjectPrompts, sides: Iterable[int]) -> list[Window]:
        """Windows of some sides around prompts, no two the same."""
        shape_hw, reach = self.raster.shape_hw, prompts.reach_xyxy
        if max(reach[2] - reach[0], reach[3] - reach[1]) > MOST_REACH_PX:
            raise ParameterError(
                f"The prompts of one object may lie at most {MOST_REACH_PX} px apart: "
                "ask for a smaller one."
            )
        return list(dict.fromkeys(window_around(shape_hw, side, reach) for side in sides))

    def _side(self, prompts: ObjectPrompts, view: Window | None) -> int:
        """Side of the window that fits prompts, px."""
        x0, y0, x1, y1 = prompts.extent_xyxy
        size = max(x1 - x0, y1 - y0)
        if not prompts.has_size:
            seen = max(self.raster.shape_hw) if view is None else max(view.shape_hw)
            size = max(size, VIEW_SHARE * seen)
        return fitting_side(self.raster.shape_hw, size)

    def _windows(
        self, prompts: ObjectPrompts, view: Window | None, ready_only: bool, full: bool
    ) -> list[WindowEmbedding]:
        """The encoded windows that answer.

        Raises:
            ParameterError, NotReadyError, RasterError: as `pick`.
        """
        windows = self.windows_for(prompts, view)
        if not full:
            scaled = view is not None or prompts.has_size or self.mode == "exact"
            windows = windows[:1] if scaled else self._around(prompts, [QUICK_SIDE_PX])
        if ready_only:
            ready = self._ready(windows) or self._ready(self._others(prompts, windows[0]))[:1]
            if not ready:
                raise NotReadyError("This place is still being prepared: try again in a moment.")
            return ready
        if view is not None:
            return [self._encoded(windows[0]), *self._ready(windows[1:])]
        found = []
        for i, window in enumerate(windows):
            try:
                found.append(self._encoded(window))
            except ParameterError:
                if i == len(windows) - 1 and not found:
                    raise
        return found

    def _ready(self, windows: Iterable[Window]) -> list[WindowEmbedding]:
        """Those of some windows that are encoded."""
        found = (self._store.get(self._key(w), self.model.device) for w in windows)
        return [item for item in found if item is not None]

    def _others(self, prompts: ObjectPrompts, best: Window) -> list[Window]:
        """Windows of every scale that hold the object, those nearest in scale first."""
        shape_hw, size = self.raster.shape_hw, max(best.shape_hw)
        if self.mode == "exact":
            return []
        sides = sorted(lattice_sides(shape_hw), key=lambda side: max(side / size, size / side))
        windows = self._around(prompts, sides)
        return [w for w in windows if holds(w, prompts.extent_xyxy, shape_hw)]

    def _view_windows(self, view: Window) -> list[Window]:
        """What clicks in a view need: windows of its own scale, then those of twice their side."""
        shape_hw = self.raster.shape_hw
        if self.mode == "exact":
            return [Window.whole(shape_hw)]
        side = fitting_side(shape_hw, VIEW_SHARE * max(view.shape_hw))
        windows = [
            window
            for scale in (1, 2)
            if scale * side <= lattice_sides(shape_hw)[-1]
            for window in lattice_windows(shape_hw, scale * side, view)
        ]
        return list(dict.fromkeys(windows))

    def _encoded(self, window: Window) -> WindowEmbedding:
        """A window's embedding, encoded if it isn't kept.

        Raises:
            ParameterError: it holds no data.
        """
        return self._store.get_or_encode(
            self._key(window), self.model.device, lambda: self._encode(window)
        )

    def _encode(self, window: Window) -> WindowEmbedding:
        from samgeo_core.engine.encoder import encode

        tile = self.raster.read(window, stretch=self._stretch, shape_hw=self._read_hw(window))
        if not tile.valid.any():
            raise ParameterError(_NO_DATA)
        return WindowEmbedding(window, encode(self.model, tile), tile.valid)

    def _read_hw(self, window: Window) -> ShapeHW:
        """Height and width to which a window is read: no more than the encoder takes."""
        if self.mode == "exact":
            return window.shape_hw
        return fit_shape(window.shape_hw, self.model.sam.image_encoder.img_size)

    def _key(self, window: Window) -> EmbeddingKey:
        return EmbeddingKey(
            self._raster_sha256, window, self._read_hw(window), self._stretch, self.model.sha256
        )
