"""`SamGeo`: the calls that scripts written for segment-geospatial (samgeo) know, on this core.

Names, order and defaults of arguments are those of samgeo 1.4.2 (MIT licence), so that its scripts
run with another import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, DTypeLike, NDArray
from rasterio.crs import CRS

from samgeo_core.api.arguments import mask_logits_of
from samgeo_core.api.figures import colored, show_picture
from samgeo_core.api.prediction import full_logits, predict_prompts
from samgeo_core.api.prompts import PointsLike, Prompts
from samgeo_core.api.records import MaskRecords
from samgeo_core.api.session import Figsize, Session
from samgeo_core.api.source_image import Source, SourceImage
from samgeo_core.errors import ParameterError
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.channels import Channel
from samgeo_core.results.export import write_vector
from samgeo_core.results.labels import binary_mask, label_raster, write_label_raster
from samgeo_core.results.pictures import is_tiff, write_picture

if TYPE_CHECKING:
    from samgeo_core.engine.encoder import Embedding


class SamGeo(Session):
    """Segment rasters automatically or by prompts; attributes: see `Session`."""

    def generate(
        self,
        source: Source,
        output: str | Path | None = None,
        foreground: bool = True,
        batch: bool = False,
        batch_sample_size: tuple[int, int] = (512, 512),
        nodata_value: float | None = None,
        erosion_kernel: tuple[int, int] | None = None,
        mask_multiplier: int = 255,
        unique: bool = True,
        min_size: int = 0,
        max_size: int | None = None,
        bands: Sequence[Channel] | None = None,
        *,
        crs: str | int | CRS | None = None,
        transform: Affine | None = None,
        monitor: Monitor = SILENT,
    ) -> None:
        """Find all objects of an image.

        Args:
            source: path of a raster, or an array [H, W] or [H, W, bands].
            output: see `save_masks`, as the arguments from ``foreground`` on.
            foreground: True marks objects in a mask, False what lies between them.
            batch: read the image in windows of ``batch_sample_size`` rather than whole, which
                finds small objects in large images.
            batch_sample_size: height and width of the windows, px; the larger counts for both.
            nodata_value: value of pixels without data, if the file doesn't say.
            erosion_kernel: see `save_masks`.
            mask_multiplier: see `save_masks`.
            unique: see `save_masks`.
            min_size: see `save_masks`.
            max_size: see `save_masks`.
            bands: three channels (numbers, names, expressions); the image's own where None.
            crs: of an array.
            transform: pixel to CRS coordinates of an array.
            monitor: hears of the progress and may cancel.

        Raises:
            ParameterError, RasterError, ExportError: as their docstrings say.
        """
        from samgeo_core.pipeline import segment

        image = SourceImage.open(source, bands, nodata=nodata_value, crs=crs, transform=transform)
        window_px = max(batch_sample_size) if batch else None
        config = replace(self._config, bands=image.bands, window_px=window_px)
        found = segment(image.raster, config, model=self._model, monitor=monitor)
        self._show_image(image)
        self._found = self._shown = found.objects
        self.masks = MaskRecords(found.objects)
        self.save_masks(
            output, foreground, unique, erosion_kernel, mask_multiplier, min_size, max_size
        )

    def save_masks(
        self,
        output: str | Path | None = None,
        foreground: bool = True,
        unique: bool = True,
        erosion_kernel: tuple[int, int] | None = None,
        mask_multiplier: int = 255,
        min_size: int = 0,
        max_size: int | None = None,
    ) -> None:
        """Make `objects` of what `generate` found, and write it.

        Args:
            output: .tif (with CRS and transform), .png, …; None writes nothing.
            foreground: True marks objects in a mask, False what lies between them.
            unique: True gives every object its id, the largest object the highest, and smaller
                objects on top of larger ones; False makes a mask.
            erosion_kernel: (3, 3) takes a border of 1 px off every object of a mask, (5, 5) of 2.
            mask_multiplier: value of what a mask marks, 1 to 65535.
            min_size: least area of an object, px.
            max_size: largest area of an object, px.

        Raises:
            ParameterError: nothing was generated, or an argument is out of its range.
            ExportError: the file can't be written.
        """
        image, found = self._image, self._found
        if image is None or found is None:
            raise ParameterError("There are no masks yet: call generate() first.")
        if not 1 <= mask_multiplier <= 65535:
            raise ParameterError(f"mask_multiplier must be 1 to 65535, got {mask_multiplier}.")
        fits = (found.areas_px >= min_size) & (found.areas_px <= (max_size or found.areas_px))
        shown = self._shown = found.select(fits)
        self.mask_scores = None
        if unique:
            self.objects = label_raster(shown)
            self.mask_scores = {item.object_id: item.score for item in shown}
        else:
            border = 0 if erosion_kernel is None else max(erosion_kernel) // 2
            mask = binary_mask(
                shown, foreground=foreground, border_erosion_px=border, valid=image.tile.valid
            )
            depth = np.dtype("uint8" if mask_multiplier <= 255 else "uint16")
            self.objects = (mask > 0).astype(depth) * depth.type(mask_multiplier)
        if output is None:
            return
        if unique and is_tiff(output):
            write_label_raster(output, self.objects, image.raster.grid)
        else:
            write_picture(output, self.objects, image.raster.grid, nodata=0)

    def show_masks(
        self,
        figsize: Figsize = (12, 10),
        cmap: str = "binary_r",
        axis: str = "off",
        foreground: bool = True,
        *,
        output: str | Path | None = None,
    ) -> None:
        """Show `objects` through a colour map of matplotlib.

        Args:
            figsize: width and height, inches.
            cmap: name of the colour map.
            axis: "off" or "on": whether pixel coordinates are drawn.
            foreground: see `save_masks`, where that wasn't called yet.
            output: writes the coloured picture at full resolution, .tif with CRS.

        Raises:
            ParameterError: nothing was generated, or there is no such colour map.
            ExportError: the file can't be written.
        """
        if self.objects is None:
            self.save_masks(foreground=foreground)
        image, _ = self._current()
        if self.objects is not None:
            picture = colored(self.objects, cmap)
            show_picture("Masks", picture, figsize=figsize, axis=axis)
            if output is not None:
                write_picture(output, picture, image.raster.grid)

    def set_image(
        self,
        image: Source,
        image_format: str = "RGB",
        bands: Sequence[Channel] | None = None,
        *,
        crs: str | int | CRS | None = None,
        transform: Affine | None = None,
    ) -> None:
        """Encode an image for `predict`.

        Args:
            image: path of a raster, or an array [H, W] or [H, W, bands].
            image_format: order of an array's colours, RGB or BGR.
            bands: three channels (numbers, names, expressions); the image's own where None.
            crs: of an array.
            transform: pixel to CRS coordinates of an array.

        Raises:
            ParameterError, RasterError: as their docstrings say.
        """
        if image_format not in ("RGB", "BGR"):
            raise ParameterError(f"image_format must be RGB or BGR, got {image_format!r}.")
        if image_format == "BGR" and isinstance(image, np.ndarray) and bands is None:
            bands = (3, 2, 1)
        self._show_image(SourceImage.open(image, bands, crs=crs, transform=transform))
        self._encode()

    def predict(
        self,
        point_coords: PointsLike | None = None,
        point_labels: ArrayLike | None = None,
        boxes: PointsLike | None = None,
        point_crs: str | int | CRS | None = None,
        mask_input: ArrayLike | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        output: str | Path | None = None,
        index: int | None = None,
        mask_multiplier: int = 255,
        dtype: DTypeLike = "float32",
        return_results: bool = False,
        *,
        vector: str | Path | None = None,
        simplify_tolerance: float | None = None,
        monitor: Monitor = SILENT,
    ) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]] | None:
        """Find the objects that points and boxes mean, on the image of `set_image`.

        All points of a list [K, 2] mean one object; points [N, K, 2] and boxes [N, 4] mean N.

        Args:
            point_coords: x, y of points: a list, an array, GeoJSON, or a vector file.
            point_labels: 1 on the object, 0 beside it; one for all or one a point.
            boxes: x, y of two corners: [4] or [N, 4], GeoJSON, or a vector file.
            point_crs: CRS of points and boxes; px where None. See `Prompts.on_grid`.
            mask_input: logits of an earlier prediction, [1, 256, 256] or [N, 1, 256, 256].
            multimask_output: three candidates an object rather than one.
            return_logits: make `masks` float32 logits rather than bool.
            output: see `save_prediction`, as ``index``, ``mask_multiplier``, ``dtype``, ``vector``
                and ``simplify_tolerance``.
            index: see `save_prediction`.
            mask_multiplier: see `save_prediction`.
            dtype: see `save_prediction`.
            return_results: return masks, scores and logits.
            vector: see `save_prediction`.
            simplify_tolerance: see `save_prediction`.
            monitor: hears of the progress and may cancel.

        Returns:
            `masks`, `scores`, `logits` if ``return_results``.

        Raises:
            ParameterError: there is no image, or prompts don't fit it or each other.
            ExportError: a file can't be written.
        """
        image, embedding = self._encode()
        grid = image.raster.grid
        prompts = Prompts.on_grid(grid, point_coords, point_labels, boxes, point_crs)
        prediction = self._prediction = predict_prompts(
            self._model,
            embedding,
            prompts,
            valid=image.tile.valid,
            mask_logits=mask_logits_of(mask_input),
            multimask=multimask_output,
            monitor=monitor,
        )
        self.boxes = prompts.boxes_xyxy
        one = 0 if len(prediction.scores) == 1 else slice(None)
        self.scores, self.logits = prediction.scores[one], prediction.logits[one]
        masks = (
            full_logits(self._model, embedding, prediction.logits)
            if return_logits
            else prediction.masks()
        )
        self.masks = masks[one]
        self._found, self._shown = None, prediction.choose(index)
        if output is not None:
            self.save_prediction(output, index, mask_multiplier, dtype, vector, simplify_tolerance)
        return (self.masks, self.scores, self.logits) if return_results else None

    def save_prediction(
        self,
        output: str | Path,
        index: int | None = None,
        mask_multiplier: int = 255,
        dtype: DTypeLike = np.float32,
        vector: str | Path | None = None,
        simplify_tolerance: float | None = None,
    ) -> None:
        """Write the predicted mask, of several objects their union.

        Args:
            output: .tif (with CRS and transform), .png, ….
            index: which candidate of each object; None takes that of the best score.
            mask_multiplier: value of the mask's pixels.
            dtype: type of the values.
            vector: also write one polygon an object to this vector file.
            simplify_tolerance: of the polygons, in units of the raster's CRS.

        Raises:
            ParameterError: nothing was predicted, or there is no such candidate.
            ExportError: a file can't be written.
        """
        image, prediction = self._image, self._prediction
        if image is None or prediction is None:
            raise ParameterError("There is no prediction yet: call predict() first.")
        self._shown = prediction.choose(index)
        mask = binary_mask(self._shown) > 0
        self.prediction = (mask * mask_multiplier).astype(dtype)
        write_picture(output, self.prediction, image.raster.grid)
        if vector is not None:
            write_vector(self.to_geodataframe(simplify_tolerance), vector)

    def _encode(self) -> tuple[SourceImage, Embedding]:
        """The current image and its embedding, which is made once."""
        from samgeo_core.engine.encoder import encode

        if self._image is None:
            raise ParameterError("There is no image yet: call set_image() first.")
        if self._embedding is None:
            self._embedding = encode(self._model, self._image.tile)
        return self._image, self._embedding
