"""From prompts on a raster to the masks of one object, whatever the size of the raster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from samgeo_core.errors import NotReadyError, ParameterError
from samgeo_core.models.loading import LoadedModel
from samgeo_core.picking.choice import best_of
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
from samgeo_core.reading.pixels import fit_shape
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.windows import ShapeHW, Window

__all__ = ["Pick", "PickMode", "PickedMask", "Picker"]

PickMode = Literal["adaptive", "exact"]

STAGE = "encode"
VIEW_SHARE = 0.25
"""The longer side of what people point at, as a share of what they see."""
_MOST_EXACT_PX = 100_000_000


class Picker:
    """Answers prompts on one raster. It keeps nothing of who asks, so that visitors may share it.

    Args:
        raster: what is looked at.
        model: a loaded model.
        bands: three bands (1-based), or one; None takes the raster's own.
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
        bands: Sequence[int] | None = None,
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
        self, prompts: ObjectPrompts, *, view: Window | None = None, ready_only: bool = False
    ) -> Pick:
        """Masks of the object that prompts point at.

        Args:
            prompts: px of the raster.
            view: what the person sees, px of the raster: tells the scale where prompts don't.
            ready_only: answer from windows that are encoded already.

        Raises:
            ParameterError: the prompts lie outside the raster, where there is no data, or no mask
                is found.
            NotReadyError: with ``ready_only``, no fitting window is encoded yet.
            RasterError: the file is damaged.
        """
        from samgeo_core.picking.decoding import decode, form_masks

        prompts.check_inside(self.raster.shape_hw)
        encoded = self._window(prompts, view, ready_only)
        terms = self._store.terms(self._key(encoded.window), self.model, encoded)
        decoded = decode(self.model, encoded, terms, prompts)
        masks = form_masks(decoded, range(len(decoded.scores)))
        if not masks:
            raise ParameterError("No object was found there: try another place or a box.")
        masks.sort(key=lambda mask: mask.area_px)
        return Pick(tuple(masks), best_of(masks), encoded.window)

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
                self._encoded(window)
            except ParameterError:
                continue  # no data there
        monitor.step(STAGE, len(windows), len(windows))

    def windows_for(self, prompts: ObjectPrompts, view: Window | None = None) -> list[Window]:
        """The windows that fit prompts, the most fitting first."""
        shape_hw = self.raster.shape_hw
        if self.mode == "exact":
            return [Window.whole(shape_hw)]
        sides = lattice_sides(shape_hw)
        best = self._side(prompts, view)
        at = sides.index(best)
        order = sorted(range(len(sides)), key=lambda i: (abs(i - at), -i))
        windows: list[Window] = []
        for i in order:
            window = window_around(shape_hw, sides[i], prompts.reach_xyxy)
            if window not in windows:
                windows.append(window)
        return windows

    def _side(self, prompts: ObjectPrompts, view: Window | None) -> int:
        """Side of the window that fits prompts, px."""
        x0, y0, x1, y1 = prompts.extent_xyxy
        size = max(x1 - x0, y1 - y0)
        if prompts.box_xyxy is None and prompts.polygon_xy is None:
            seen = max(self.raster.shape_hw) if view is None else max(view.shape_hw)
            size = max(size, VIEW_SHARE * seen)
        return fitting_side(self.raster.shape_hw, size)

    def _view_windows(self, view: Window) -> list[Window]:
        shape_hw = self.raster.shape_hw
        if self.mode == "exact":
            return [Window.whole(shape_hw)]
        side = fitting_side(shape_hw, VIEW_SHARE * max(view.shape_hw))
        return lattice_windows(shape_hw, side, view)

    def _window(
        self, prompts: ObjectPrompts, view: Window | None, ready_only: bool
    ) -> WindowEmbedding:
        """The encoded window that answers."""
        windows = self.windows_for(prompts, view)
        if not ready_only:
            return self._encoded(windows[0])
        for window in windows:
            found = self._store.get(self._key(window), self.model.device)
            if found is not None and holds(window, prompts.extent_xyxy, self.raster.shape_hw):
                return found
        raise NotReadyError("This place is still being prepared: try again in a moment.")

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
            raise ParameterError("There is no data at this place: point at a part of the image.")
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
