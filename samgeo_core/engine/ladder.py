"""The full preset's plan: windows from the whole image down to native resolution. No torch here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from samgeo_core.windows import ShapeHW, Window, plan_windows

_LEAST_STEP_PX = 4


@dataclass(frozen=True)
class FullConfig:
    """How thoroughly `generate_full` looks, and what it takes for a candidate.

    Attributes:
        finest_px: side of the smallest windows; half the encoder's input shows each pixel double.
        coarsest_px: side of the largest windows; larger images are seen through several.
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
        least_px: smaller masks and loose parts of masks are specks.
        gap_share: share of the valid pixels that may stay uncovered without being asked again.
        gap_width: gaps of a smaller radius, in px of a finest window, aren't asked.
        gap_score, gap_stability: weaker masks are no candidates for gaps.
        small_px: objects of a smaller side in the model's input are seen better through finer
            windows; a window full of them is left to those.
        small_share: share of small objects from which a window is full of them.
        finer_where_small: look through finer windows only where a coarser one was left to them.
        reduced_precision: encode in bfloat16 where the processor computes in it.
    """

    finest_px: int = 512
    coarsest_px: int = 4096
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
    least_px: int = 16
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
        return cls() if preset == "full" else cls(
            overlap=0.0, steps_px=(32, 16), round=32, least_yield=0.15, gap_share=0.1,
            finer_where_small=True, reduced_precision=True,
        )  # fmt: skip


@dataclass(frozen=True)
class Look:
    """One window, the part of the tile it answers for, and the grid spacings it is asked with."""

    window: Window
    core: Window
    steps_px: tuple[int, ...]
    is_coarsest: bool


def plan_looks(shape_hw: ShapeHW, config: FullConfig) -> Iterator[Look]:
    """Windows from coarse to fine, each side half the one before."""
    sides = [config.finest_px]
    while sides[-1] < min(max(shape_hw), config.coarsest_px):
        sides.append(sides[-1] * 2)
    for side in reversed(sides):
        # Windows of which one nearly fills the image are left to the scale above.
        if side != sides[-1] and side >= 0.75 * max(shape_hw):
            continue
        windows = plan_windows(shape_hw, side, int(side * config.overlap))
        # The model always sees the same number of pixels, so the grid grows with the window.
        scale = max(windows[0].shape_hw) / config.finest_px
        steps = tuple(max(round(step * scale), _LEAST_STEP_PX) for step in config.steps_px)
        for window, core in zip(windows, _cores(shape_hw, windows), strict=True):
            yield Look(window, core, steps, side == sides[-1])


def _cores(shape_hw: ShapeHW, windows: list[Window]) -> list[Window]:
    """For each window the part of the raster that lies deeper inside it than in its neighbours."""
    xs = sorted({w.x for w in windows})
    ys = sorted({w.y for w in windows})

    def bounds(starts: list[int], size: int, length: int, start: int) -> tuple[int, int]:
        i = starts.index(start)
        low = 0 if i == 0 else (start + starts[i - 1] + size) // 2
        high = length if i == len(starts) - 1 else (starts[i + 1] + start + size) // 2
        return low, high

    cores = []
    for window in windows:
        x0, x1 = bounds(xs, window.width, shape_hw[1], window.x)
        y0, y1 = bounds(ys, window.height, shape_hw[0], window.y)
        cores.append(Window(x0, y0, x1 - x0, y1 - y0))
    return cores
