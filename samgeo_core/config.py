"""What a run is asked to do, as plain values: no model and no heavy import."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from samgeo_core.errors import ParameterError
from samgeo_core.reading.channels import ChannelTriple, as_channels
from samgeo_core.windows import ShapeHW, Window, plan_windows

T = TypeVar("T")

PointGrid = tuple[tuple[float, float], ...]

PRESETS = ("exact", "full", "fast")

OVERLAPS = ("nested", "flatten", "largest", "partition")
"""What may become of objects that overlap, see `SelectionRule`."""

WINDOW_OVERLAP = 0.25
"""Neighbouring windows share this part of their side, which is where objects are joined."""

LEAST_WINDOW_PX, MOST_WINDOW_PX = 64, 32_768


@dataclass(frozen=True)
class AutomaticConfig:
    """The parameters of SAM's automatic mask generation, with SAM's names and defaults.

    Attributes:
        points_per_side: prompts along one side of the image; their square is the number of prompts.
            None takes `point_grids`.
        points_per_batch: prompts decoded together; a matter of memory, not of the result.
        pred_iou_thresh: least quality, 0 to 1, that the model predicts for a mask to be kept.
        stability_score_thresh: least stability, 0 to 1, of a mask when its cutoff is shifted.
        stability_score_offset: how far the cutoff is shifted, in logits.
        box_nms_thresh: box IoU above which the weaker of two masks is a duplicate.
        crop_n_layers: 0 looks at the image only; i layers look again at (2^i)^2 crops each.
        crop_nms_thresh: as `box_nms_thresh`, between crops.
        crop_overlap_ratio: share of the image by which crops of the first layer overlap.
        crop_n_points_downscale_factor: layer i has this factor^i times fewer points per side.
        point_grids: one list of (x, y) in 0 to 1 per layer, instead of `points_per_side`.
        min_mask_region_area: specks and holes smaller than this, px, are removed; 0 keeps all.
    """

    points_per_side: int | None = 32
    points_per_batch: int = 64
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    point_grids: tuple[PointGrid, ...] | None = None
    min_mask_region_area: int = 0

    def __post_init__(self) -> None:
        if (self.points_per_side is None) == (self.point_grids is None):
            raise ParameterError("Give either points_per_side or point_grids, not both or neither.")
        at_least = {
            "points_per_side": 1,
            "points_per_batch": 1,
            "crop_n_layers": 0,
            "crop_n_points_downscale_factor": 1,
            "min_mask_region_area": 0,
        }
        for name, low in at_least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ParameterError(f"{name} must be at least {low}, got {value}.")
        for name in (
            "pred_iou_thresh",
            "stability_score_thresh",
            "box_nms_thresh",
            "crop_nms_thresh",
            "crop_overlap_ratio",
        ):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ParameterError(f"{name} must lie between 0 and 1, got {value}.")
        if self.point_grids is not None and len(self.point_grids) <= self.crop_n_layers:
            raise ParameterError(
                f"point_grids needs one grid for the image and one for each of the "
                f"{self.crop_n_layers} crop layers, got {len(self.point_grids)}."
            )


@dataclass(frozen=True)
class SelectionRule:
    """Which of a model's candidates become objects, and what becomes of those that overlap.

    Attributes:
        least_score: masks whose quality the model rates lower are dropped.
        least_stability: masks that are less stable when their cutoff is shifted are dropped.
        good_score: masks rated lower than this are kept only where nothing better was found.
        good_stability: masks less stable than this are kept only where nothing better was found.
        fair_quality: a weaker mask whose score times stability reaches this must only be better
            than others of like size there: parts of a thing don't stand for the thing.
        new_share: share of a weaker mask's pixels on which nothing better may have been found.
        duplicate_iou: of two masks more alike than this, only the better one stays; 1 keeps both.
        min_area_px: least size of a mask, px; none sets no limit.
        max_area_px: greatest size of a mask, px; none sets no limit.
        min_area_m2: least size on the ground, m²; without a CRS no mask passes it.
        max_area_m2: greatest size on the ground, m²; without a CRS no mask passes it.
        overlap: nested keeps all objects, one within the other; flatten gives each pixel to the
            smallest object on it; largest keeps objects that lie in no other; partition flattens
            and gives what lies between objects to the nearest.

    Raises:
        ParameterError: a number is out of its range, nothing can lie between two limits, or the
            overlap rule is unknown.
    """

    least_score: float = 0.3
    least_stability: float = 0.3
    good_score: float = 0.88
    good_stability: float = 0.75
    fair_quality: float = 0.5
    new_share: float = 1 / 3
    duplicate_iou: float = 0.75
    min_area_px: float | None = None
    max_area_px: float | None = None
    min_area_m2: float | None = None
    max_area_m2: float | None = None
    overlap: str = "nested"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "overlap" or value is None:
                continue
            if not (math.isfinite(value) and value >= 0):
                raise ParameterError(f"{name} must be a number of 0 or more, got {value}.")
            if name in {"new_share", "duplicate_iou"} and value > 1:
                raise ParameterError(f"{name} must lie between 0 and 1, got {value}.")
        for unit in ("m2", "px"):
            low, high = getattr(self, f"min_area_{unit}"), getattr(self, f"max_area_{unit}")
            if low is not None and high is not None and low > high:
                raise ParameterError(
                    f"min_area_{unit} must not exceed max_area_{unit}, got {low} and {high}."
                )
        if self.overlap not in OVERLAPS:
            raise ParameterError(
                f"overlap must be one of {', '.join(OVERLAPS)}, got {self.overlap}."
            )

    @classmethod
    def keep_all(cls) -> SelectionRule:
        """The rule that takes every candidate, for those that were chosen before."""
        return cls(
            least_score=0, least_stability=0, good_score=0, good_stability=0, duplicate_iou=1
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SelectionRule:
        """The rule that `dataclasses.asdict` described; unknown keys raise `ParameterError`."""
        return _from_known(cls, values)


@dataclass(frozen=True)
class Scales:
    """Through which windows the presets full and fast look, when it should not be all of them.

    The model sees each window at 1,024 px: small ones enlarge, large ones shrink what they show.

    Attributes:
        finest_px: side of the smallest windows, px of the raster.
        coarsest_px: side from which windows grow no more; larger images are seen through several.
        fill_gaps: ask once more, with lower demands, where nothing was found.

    Raises:
        ParameterError: a side is out of its range, or the finest is the larger one.
    """

    finest_px: int = 512
    coarsest_px: int = 4096
    fill_gaps: bool = True

    def __post_init__(self) -> None:
        for name in ("finest_px", "coarsest_px"):
            side = getattr(self, name)
            if not LEAST_WINDOW_PX <= side <= MOST_WINDOW_PX:
                raise ParameterError(
                    f"{name} must be {LEAST_WINDOW_PX} to {MOST_WINDOW_PX}, got {side}."
                )
        if self.finest_px > self.coarsest_px:
            raise ParameterError(
                f"finest_px must not exceed coarsest_px, got {self.finest_px} and "
                f"{self.coarsest_px}."
            )


@dataclass(frozen=True)
class SegmentConfig:
    """All that decides the result of a run over a raster.

    Attributes:
        model: name of the model (`samgeo_core.models.registry.MODELS`).
        checkpoint: file of the weights; None takes the model's own.
        device: cuda, mps or cpu; None takes the best there is.
        bands: three channels shown to the model as red, green, blue: numbers (1-based), names,
            indices or expressions (`reading.channels`); None lets the raster say.
        stretch: auto, percentile, minmax, none or signed: how values become 8 bits.
        window_px: side of the windows the raster is read in; None reads it whole.
        preset: exact (SAM's own automatic masks, at one scale) or full (everything, at several
            scales: thresholds and grid follow from the image, so `automatic` has no say) or fast
            (as full, but with fewer prompts, through fewer and wider windows).
        automatic: SAM's parameters, for the exact preset.
        selection: which candidates become objects; None takes the preset's own rule.
        scales: through which windows full and fast look; None takes the preset's own.
        purpose: for which of `samgeo_core.purposes` rule and scales were made; None for everything.
    """

    model: str = "vit_t"
    checkpoint: str | None = None
    device: str | None = None
    bands: ChannelTriple | None = None
    stretch: str = "auto"
    window_px: int | None = None
    preset: str = "exact"
    automatic: AutomaticConfig = field(default_factory=AutomaticConfig)
    selection: SelectionRule | None = None
    scales: Scales | None = None
    purpose: str | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ParameterError(f"preset must be one of {', '.join(PRESETS)}, got {self.preset}.")
        if self.window_px is not None and self.window_px < LEAST_WINDOW_PX:
            raise ParameterError(
                f"A window needs at least {LEAST_WINDOW_PX} px, got {self.window_px}."
            )

    def for_purpose(
        self, purpose: str, gsd_m: float | None, *, on_ground: bool = True
    ) -> SegmentConfig:
        """This with the scales and the rule that suit a purpose (`samgeo_core.purposes`).

        Args:
            purpose: roofs, fields, trees, vehicles, water or everything.
            gsd_m: ground sample distance, m per px; None where unknown: without limits of size.
            on_ground: whether the raster knows its place on Earth; limits are in px elsewhere.

        Raises:
            ParameterError: there is no such purpose.
        """
        from samgeo_core.purposes import purpose_named

        return purpose_named(purpose).applied(self, gsd_m, on_ground=on_ground)

    @property
    def rule(self) -> SelectionRule:
        """The rule of selection: SAM's own automatic mode has chosen already, so it keeps all."""
        if self.selection is not None:
            return self.selection
        return SelectionRule.keep_all() if self.preset == "exact" else SelectionRule()

    def windows(self, shape_hw: ShapeHW) -> list[Window]:
        """The windows that a run over a raster of this shape looks at."""
        overlap_px = int((self.window_px or 0) * WINDOW_OVERLAP)
        return plan_windows(shape_hw, self.window_px, overlap_px)

    def to_dict(self) -> dict[str, Any]:
        """This configuration as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SegmentConfig:
        """The configuration that `to_dict` described; unknown keys raise `ParameterError`."""
        data = dict(values)
        automatic = dict(data.get("automatic") or {})
        if grids := automatic.get("point_grids"):
            automatic["point_grids"] = tuple(tuple((x, y) for x, y in grid) for grid in grids)
        if data.get("bands") is not None:
            data["bands"] = as_channels(data["bands"])
        data["automatic"] = AutomaticConfig(**automatic)
        if data.get("selection") is not None:
            data["selection"] = SelectionRule.from_dict(data["selection"])
        if data.get("scales") is not None:
            data["scales"] = _from_known(Scales, data["scales"])
        return _from_known(cls, data)


def _from_known(kind: type[T], values: Mapping[str, Any]) -> T:
    """A configuration of these values; keys that it doesn't have raise `ParameterError`."""
    known = getattr(kind, "__dataclass_fields__")  # noqa: B009
    if unknown := set(values) - set(known):
        raise ParameterError(f"Unknown parameters: {', '.join(sorted(unknown))}.")
    return kind(**values)
