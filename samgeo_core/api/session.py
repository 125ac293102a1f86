"""What `SamGeo` remembers between calls, and what is asked of it however it was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.api.arguments import automatic_config, find_checkpoint
from samgeo_core.api.conversions import Conversions, in_pixels
from samgeo_core.api.figures import show_picture
from samgeo_core.api.prediction import Prediction
from samgeo_core.api.records import MaskRecords
from samgeo_core.api.source_image import SourceImage
from samgeo_core.config import SegmentConfig
from samgeo_core.errors import ParameterError
from samgeo_core.models.loading import cached_model
from samgeo_core.objects import ObjectSet
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.annotate import annotation_image
from samgeo_core.results.pictures import write_picture
from samgeo_core.results.vectorize import vectorize

if TYPE_CHECKING:
    import geopandas as gpd

    from samgeo_core.engine.encoder import Embedding

Figsize = tuple[float, float]


class Session(Conversions):
    """A model, the current image, and what was found on it.

    Attributes:
        source: path of the current image; None for an array.
        masks: after `generate` one record an object, smallest first (`MaskRecords`); after
            `predict` bool [M, H, W], or [N, M, H, W] for N > 1 objects.
        objects: [H, W], the label raster or mask of `generate` and `save_masks`.
        mask_scores: predicted IoU by object id, after a label raster.
        annotations: uint8 [H, W, 3], the colours that `show_anns` drew, white beside objects.
        scores: after `predict`, float32 [M] or [N, M], predicted IoU.
        logits: after `predict`, float32 [M, 256, 256] or [N, M, 256, 256].
        prediction: [H, W], the array that `save_prediction` wrote.
        boxes: after `predict`, float64 [N, 4], the boxes in px; None without.
        sam: the network, as segment-anything-py knows it.
        device: where it runs.
    """

    def __init__(
        self,
        model_type: str = "vit_h",
        automatic: bool = True,
        device: str | None = None,
        checkpoint_dir: str | Path | None = None,
        sam_kwargs: Mapping[str, Any] | None = None,
        *,
        checkpoint: str | Path | None = None,
        monitor: Monitor = SILENT,
    ) -> None:
        """Load a model.

        Args:
            model_type: vit_t (MobileSAM), vit_b, vit_l or vit_h.
            automatic: no matter: `generate` and `predict` both work either way.
            device: cuda, mps or cpu; None takes the best there is.
            checkpoint_dir: where official weights are looked for and downloaded to.
            sam_kwargs: parameters of SAM's automatic masks, see `AutomaticConfig`.
            checkpoint: a file of weights. A missing file of an official name is downloaded to
                that place.
            monitor: hears of download and loading, and may cancel.

        Raises:
            ParameterError: an argument is out of its range.
            WeightsError: the weights can't be had or belong to another model.
        """
        sam_config = automatic_config(sam_kwargs or {})
        weights = find_checkpoint(model_type, checkpoint, checkpoint_dir, monitor)
        self._model = cached_model(model_type, weights, device, monitor=monitor)
        self.model_type = model_type
        self.checkpoint = None if weights is None else str(weights)
        self.sam_kwargs = sam_kwargs
        self.sam = self._model.sam
        self.device = str(self._model.device)
        self._config = SegmentConfig(
            model=model_type, checkpoint=self.checkpoint, device=self.device, automatic=sam_config
        )
        self._show_image(None)

    def _show_image(self, image: SourceImage | None) -> None:
        """Make an image the current one, and drop all that belongs to the one before."""
        self._image = image
        self.source = None if image is None else image.name
        self._embedding: Embedding | None = None
        self._found: ObjectSet | None = None
        self._shown: ObjectSet | None = None
        self._prediction: Prediction | None = None
        self.masks: MaskRecords | NDArray[Any] | None = None
        self.objects: NDArray[Any] | None = None
        self.mask_scores: dict[int, float] | None = None
        self.annotations: NDArray[np.uint8] | None = None
        self.scores: NDArray[np.float32] | None = None
        self.logits: NDArray[np.float32] | None = None
        self.prediction: NDArray[Any] | None = None
        self.boxes: NDArray[np.float64] | None = None

    @property
    def image(self) -> NDArray[np.uint8] | None:
        """The current image as the model sees it, uint8 [H, W, 3]; None without one."""
        return None if self._image is None else self._image.tile.rgb

    def _current(self) -> tuple[SourceImage, ObjectSet]:
        """The current image and the objects shown on it."""
        if self._image is None or self._shown is None:
            raise ParameterError("There are no objects yet: call generate() or predict() first.")
        return self._image, self._shown

    def show_anns(
        self,
        figsize: Figsize = (12, 10),
        axis: str = "off",
        alpha: float = 0.35,
        output: str | Path | None = None,
        blend: bool = True,
    ) -> None:
        """Show objects, each in its colour, on the image.

        Args:
            figsize: width and height, inches.
            axis: "off" or "on": whether pixel coordinates are drawn.
            alpha: opacity of the colours, 0 to 1.
            output: writes the picture at full resolution, .tif with CRS.
            blend: whether the picture written has the image below; otherwise it is transparent
                beside objects.

        Raises:
            ParameterError: nothing was generated or predicted, or alpha is out of range.
            ExportError: the file can't be written.
        """
        image, shown = self._current()
        picture = annotation_image(shown, image.tile.rgb, alpha=alpha)
        colours = annotation_image(shown, alpha=1)
        self.annotations = np.where(colours[..., 3:] > 0, colours[..., :3], np.uint8(255))
        show_picture("Annotations", picture, figsize=figsize, axis=axis)
        if output is not None:
            layer = picture if blend else annotation_image(shown, alpha=alpha)
            write_picture(output, layer, image.raster.grid)

    def to_geodataframe(self, simplify_tolerance: float | None = None) -> gpd.GeoDataFrame:
        """Polygons of the objects that were found last, with their attributes (see `vectorize`).

        Unlike `tiff_to_vector`, objects that lie on one another keep their whole shape.

        Args:
            simplify_tolerance: in units of the raster's CRS; None keeps pixel edges.

        Raises:
            ParameterError: nothing was generated or predicted.
        """
        image, shown = self._current()
        grid = image.raster.grid
        return vectorize(shown, grid, simplify_px=in_pixels(simplify_tolerance, grid))
