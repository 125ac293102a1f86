"""The full preset's plan: windows from the whole image down to native resolution. No torch here.

Regions of a raster are looked at through windows that lie where they would lie in a run over the
whole: each belongs to the region in which its middle lies, so that it doesn't matter how the raster
is cut. Only windows that are too large for the margins lie where the region lies. What the largest
of the former cut at their edges stays a candidate: their neighbours may see it go on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from samgeo_core.config import SegmentConfig
from samgeo_core.windows import ShapeHW, Window, window_starts

_LEAST_STEP_PX = 4

_NATIVE_PX = 1280
"""A window of up to this side shows the image about as it is: the model takes 1,024 px."""

SEAM_OVERLAP = 0.25
"""The largest fixed windows have at least this share in common, so that cut parts can be joined."""

EDGE_PX = 2
"""A mask that comes as near to the edge of its window is cut: the model's last pixels are vague."""


@dataclass(frozen=True)
class FullConfig:
    """How thoroughly `generate_full` looks, and what it takes for a candidate.

    Attributes:
        finest_px: side of the smallest windows; half the encoder's input shows each pixel double.
        coarsest_px: side of the largest windows; larger images are seen through several.
        growth: how many times larger the windows of each next scale are.
        overlap: share of their side that neighbouring windows have in common.
        steps_px: grid spacings in a finest window, one pass each; in coarser windows they
            grow as the window does.
        floor_score, floor_stability: weaker masks are no candidates.
        settled: score times stability from which a mask explains its pixels: they aren't asked
            again on a grid that is not much finer than the mask.
        settled_steps: a grid of that spacing asks no more on masks of a side of so many steps.
        promising: score times stability from which a mask may say something new.
        round: prompts that are asked before looking again where something is still open.
        least_yield: new masks per prompt below which a window has nothing more to say.
        duplicate_iou: of two masks of one window more alike than this, the better is a candidate.
        window_share: a mask that fills more of its window than this is the window, no object.
        vague_share, vague_stability: a mask that fills more of its window than this and is less
            stable is what lies around everything: nobody knows where it ends.
        vague_stays: whether that is a candidate; gaps are filled as if it weren't.
        least_px: smaller masks and loose parts of masks are specks; drawn, one of this size still
            has 16 px.
        gap_share: share of the valid pixels that may stay uncovered without being asked again.
        gap_width: gaps of a smaller radius, in px of a finest window, aren't asked.
        gap_score, gap_stability: weaker masks are no candidates for gaps.
        small_px: objects of a smaller side, in a window twice as large as a finest one, are seen
            better through finer windows; a window full of them is left to those.
        small_share: share of small objects from which a window is full of them.
        finer_where_small: look through windows that only enlarge only where a coarser one was left
            to them.
        reduced_precision: encode in bfloat16 where the processor computes in it.
    """

    finest_px: int = 512
    coarsest_px: int = 4096
    growth: int = 2
    overlap: float = 0.25
    steps_px: tuple[int, ...] = (32, 16)
    floor_score: float = 0.5
    floor_stability: float = 0.6
    settled: float = 0.9
    settled_steps: float = 4.0
    promising: float = 0.7
    round: int = 64
    least_yield: float = 0.1
    duplicate_iou: float = 0.85
    window_share: float = 0.9
    vague_share: float = 0.5
    vague_stability: float = 0.8
    vague_stays: bool = False
    least_px: int = 18
    gap_share: float = 0.02
    gap_width: float = 2.0
    gap_score: float = 0.3
    gap_stability: float = 0.3
    small_px: float = 32.0
    small_share: float = 0.25
    finer_where_small: bool = False
    reduced_precision: bool = False

    @classmethod
    def of(cls, preset: str) -> FullConfig:
        """The configuration of the preset "full" or "fast"."""
        if preset == "full":
            return cls()
        # Fewer, wider windows, asked with steps that are the same to the model.
        return cls(
            finest_px=704, growth=3, overlap=0.0, steps_px=(44, 22), small_px=44.0, round=32,
            least_yield=0.15, gap_share=0.1, finer_where_small=True, reduced_precision=True,
        )  # fmt: skip

    @classmethod
    def of_run(cls, config: SegmentConfig) -> FullConfig:
        """What a run with the preset full or fast asks for."""
        usual, scales = cls.of(config.preset), config.scales
        if scales is None:
            return usual
        return replace(
            usual.with_finest(scales.finest_px),
            coarsest_px=scales.coarsest_px,
            gap_share=usual.gap_share if scales.fill_gaps else 1.0,
        )

    def with_finest(self, side_px: int) -> FullConfig:
        """This with finest windows of another side, asked with the steps of the preset full."""
        steps, small = FullConfig.steps_px, FullConfig.small_px
        return replace(self, finest_px=side_px, steps_px=steps, small_px=small)

    def in_regions(self, margin_px: int) -> FullConfig:
        """How this asks regions of a raster with margins.

        Finest windows fit into the margins, where those of the preset full do. Vague masks stay:
        what fills a window of a region may go on in the next.
        """
        usual = FullConfig.finest_px
        fits = not usual <= 2 * margin_px < self.finest_px
        return replace(self if fits else self.with_finest(usual), vague_stays=True)

    def is_vague(self, area_px: int, stability: float, window: Window) -> bool:
        """Whether a mask is what lies around everything in its window."""
        much = self.vague_share * window.width * window.height
        return area_px > much and stability < self.vague_stability


@dataclass(frozen=True)
class Look:
    """One window, the part of the tile it answers for, and the grid spacings it is asked with.

    Attributes:
        window, core: px of the tile.
        steps_px: one pass each.
        is_coarsest: whether gaps are filled through it.
        is_finest: whether no smaller windows follow.
        is_closeup: whether it only enlarges what the scale above showed as it is.
        is_fixed: whether it lies where it does however the raster is cut into tiles.
        least_side_px: masks whose box is smaller are left to other windows.
    """

    window: Window
    core: Window
    steps_px: tuple[int, ...]
    is_coarsest: bool
    is_finest: bool
    is_closeup: bool
    is_fixed: bool = False
    least_side_px: int = 0


@dataclass(frozen=True)
class Place:
    """Where a tile lies in a raster of which it is a region.

    Attributes:
        window: the tile, px of the raster.
        core: the part of it that is to be asked, px of the raster.
        extent: all that is to be segmented, px of the raster.
        margin_px: what regions see around their cores where the raster goes on.
    """

    window: Window
    core: Window
    extent: Window
    margin_px: int

    @property
    def is_all(self) -> bool:
        """Whether the tile is all there is: nothing goes on beside it."""
        return self.window == self.core == self.extent

    def local(self, window: Window) -> Window:
        """A window of the raster in px of the tile."""
        return window.moved(-self.window.x, -self.window.y)


@dataclass(frozen=True)
class _Scale:
    """One rung of the ladder: side of its windows, px, and what `Look` says of them."""

    side: int
    is_finest: bool
    is_closeup: bool


@dataclass(frozen=True)
class _Axis:
    """Windows of one side along one axis of an image, and the part that each answers for, px."""

    length: int
    size: int
    starts: list[int]

    @classmethod
    def of(cls, length: int, side: int, overlap: float) -> _Axis:
        size = min(side, length)
        return cls(length, size, window_starts(length, side, int(side * overlap)))

    def core(self, i: int) -> tuple[int, int]:
        """What lies deeper inside this window than in its neighbours."""
        starts = self.starts
        low = 0 if i == 0 else (starts[i] + starts[i - 1] + self.size) // 2
        last = i == len(starts) - 1
        return low, self.length if last else (starts[i + 1] + starts[i] + self.size) // 2

    def answering(self, position: float) -> int:
        """The window in whose part a position lies."""
        every = range(len(self.starts))
        return max(bisect_right(every, position, key=lambda i: self.core(i)[0]) - 1, 0)

    def seen(self, i: int) -> tuple[int, int]:
        """A window without the last pixels at edges behind which the image goes on."""
        start = self.starts[i]
        stop = start + self.size
        last = stop == self.length
        return start + EDGE_PX * (start > 0), stop - EDGE_PX * (not last)

    def meeting(self, start: int, stop: int) -> range:
        """The windows that see pixels of an interval."""
        every = range(len(self.starts))
        first = bisect_right(every, start, key=lambda i: self.seen(i)[1])
        return range(first, bisect_left(every, stop, key=lambda i: self.seen(i)[0]))

    def centred_in(self, start: int, stop: int) -> range:
        """The windows whose middle lies in an interval."""

        def middle(window_start: int) -> int:
            return window_start + self.size // 2

        first = bisect_left(self.starts, start, key=middle)
        return range(first, bisect_left(self.starts, stop, key=middle))


@dataclass(frozen=True)
class FixedWindows:
    """The largest windows that lie where they do however a raster is cut into regions.

    Attributes:
        extent: all that is to be segmented, px of the raster; the windows cover it.
        side: greatest side of a window, px.
    """

    extent: Window
    side: int
    _columns: _Axis
    _rows: _Axis

    @classmethod
    def of(
        cls, extent: Window, margin_px: int, config: FullConfig | None = None
    ) -> FixedWindows | None:
        """Those of regions with margins; None where the margins are too small for any."""
        config = (config or FullConfig()).in_regions(margin_px)
        side = max((s.side for s in _fixed_scales(extent, margin_px, config)), default=0)
        return cls(extent, side, *_axes(extent.shape_hw, side, config, True)) if side else None

    def answering(self, x: float, y: float) -> Window:
        """What the window sees that is asked at a point, px of the raster."""
        column = self._columns.answering(x - self.extent.x)
        return self._seen(column, self._rows.answering(y - self.extent.y))

    def meeting(self, window: Window) -> Iterator[Window]:
        """What the windows see that share pixels with a window, px of the raster."""
        x0, y0, x1, y1 = window.moved(-self.extent.x, -self.extent.y).box_xyxy
        for row in self._rows.meeting(y0, y1):
            for column in self._columns.meeting(x0, x1):
                yield self._seen(column, row)

    def _seen(self, column: int, row: int) -> Window:
        (x0, x1), (y0, y1) = self._columns.seen(column), self._rows.seen(row)
        return Window(x0 + self.extent.x, y0 + self.extent.y, x1 - x0, y1 - y0)


def plan_looks(shape_hw: ShapeHW, config: FullConfig) -> Iterator[Look]:
    """Windows from coarse to fine."""
    for scale in _scales(shape_hw, config):
        columns, rows = _axes(shape_hw, scale.side, config)
        every = range(len(columns.starts)), range(len(rows.starts))
        yield from _looks(columns, rows, *every, config, scale)


def plan_region_looks(place: Place, config: FullConfig) -> Iterator[Look]:
    """The same for a region of a raster: only what its core has to be asked.

    Windows of which half fits into the margin lie where a run over the whole raster has them, and
    find everything that fits into them. Larger ones lie where the region does, and only add what
    is too large for that.
    """
    tile, extent = place.window, place.extent
    if place.is_all:
        yield from plan_looks(tile.shape_hw, config)
        return
    core, config = place.local(place.core), config.in_regions(place.margin_px)
    fixed = _fixed_scales(extent, place.margin_px, config)
    largest = max((scale.side for scale in fixed), default=0)
    for look in plan_looks(tile.shape_hw, config):
        part = look.core.intersection(core)
        # A small region at the edge is seen as a whole too, as the others are.
        if part and (look.is_coarsest or max(look.window.shape_hw) > largest):
            steps = look.steps_px[:1] if fixed else look.steps_px
            is_coarsest = look.is_coarsest and not fixed
            yield replace(
                look, core=part, steps_px=steps, is_coarsest=is_coarsest,
                least_side_px=largest // 2 + 1,
            )  # fmt: skip
    x, y = extent.x - tile.x, extent.y - tile.y
    for scale in fixed:
        is_largest = scale.side == largest
        columns, rows = _axes(extent.shape_hw, scale.side, config, is_largest)
        mine = (
            columns.centred_in(core.x - x, core.x - x + core.width),
            rows.centred_in(core.y - y, core.y - y + core.height),
        )
        for look in _looks(columns, rows, *mine, config, scale):
            window, part = look.window.moved(x, y), look.core.moved(x, y)
            yield replace(look, window=window, core=part, is_coarsest=is_largest, is_fixed=True)


def _fixed_scales(extent: Window, margin_px: int, config: FullConfig) -> list[_Scale]:
    """The scales whose windows can lie anywhere: half of one fits into the margin."""
    return [scale for scale in _scales(extent.shape_hw, config) if scale.side <= 2 * margin_px]


def _scales(shape_hw: ShapeHW, config: FullConfig) -> list[_Scale]:
    """The scales of an image, coarse to fine."""
    sides = [config.finest_px]
    while sides[-1] < min(max(shape_hw), config.coarsest_px):
        sides.append(min(sides[-1] * config.growth, config.coarsest_px))
    # Windows of which one nearly fills the image are left to the scale above.
    sides = [s for s in reversed(sides) if s == sides[-1] or s < 0.75 * max(shape_hw)]
    shown = [min(side, max(shape_hw)) for side in sides]
    return [
        _Scale(side, side == sides[-1], i > 0 and shown[i - 1] <= _NATIVE_PX)
        for i, side in enumerate(sides)
    ]


def _axes(
    shape_hw: ShapeHW, side: int, config: FullConfig, joined: bool = False
) -> tuple[_Axis, _Axis]:
    """Windows along x and along y; those whose cut masks are joined need an overlap."""
    height, width = shape_hw
    overlap = max(config.overlap, SEAM_OVERLAP) if joined else config.overlap
    return _Axis.of(width, side, overlap), _Axis.of(height, side, overlap)


def _looks(
    columns: _Axis, rows: _Axis, some_columns: range, some_rows: range, config: FullConfig,
    scale: _Scale,
) -> Iterator[Look]:  # fmt: skip
    """Some windows of one scale, row by row, in the frame of the image."""
    # The model always sees the same number of pixels, so the grid grows with the window.
    times = max(columns.size, rows.size) / config.finest_px
    steps = tuple(max(round(step * times), _LEAST_STEP_PX) for step in config.steps_px)
    side = max(columns.size, rows.size)
    is_coarsest = side >= min(max(columns.length, rows.length), config.coarsest_px)
    for i in some_rows:
        top, bottom = rows.core(i)
        for j in some_columns:
            left, right = columns.core(j)
            window = Window(columns.starts[j], rows.starts[i], columns.size, rows.size)
            core = Window(left, top, right - left, bottom - top)
            yield Look(window, core, steps, is_coarsest, scale.is_finest, scale.is_closeup)
