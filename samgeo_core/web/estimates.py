"""About how long a run will take: by former runs on this machine, else by what was measured here.

The paces of former runs of the same model and preset say most, and those of the same image more:
how much there is to ask differs from image to image. Before the first run a calibration of two
seconds stands in (`preflight.calibration`), and without one the orders of magnitude.
"""

from __future__ import annotations

import statistics

from samgeo_core.config import SegmentConfig
from samgeo_core.preflight.calibration import Calibration, CalibrationBook
from samgeo_core.preflight.card import FIXED_S
from samgeo_core.preflight.workload import DEFAULT_RATES, Workload, workload
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.queue_database import Database
from samgeo_core.web.records import Run
from samgeo_core.windows import ShapeHW

_TIMINGS_HEARD = 5
"""The estimate is the median of so many runs, the newest ones."""
_TIMINGS_KEPT = 1000


class Estimator:
    """Learns from every run that ends well; what it has learned outlives the server.

    Args:
        database: where it is kept.
        book: what was measured of this machine; None knows nothing.
    """

    def __init__(self, database: Database, book: CalibrationBook | None = None) -> None:
        self._database = database
        self._book = book or CalibrationBook(None)

    def seconds(
        self,
        shape_hw: ShapeHW,
        config: SegmentConfig,
        regions: StreamOptions | None = None,
        scene_id: str = "",
    ) -> float:
        """Expected seconds of a run.

        Args:
            shape_hw: height and width of what is segmented, px.
            config: what is done.
            regions: how it is cut where it is larger than a region; None never cuts it.
            scene_id: of the image: its own former runs, try-outs too, say most.
        """
        work = workload(shape_hw, config, regions)
        work_s = work.seconds(DEFAULT_RATES[config.model])
        return FIXED_S + self._slowness(config, scene_id, work) * work_s

    def calibration(self, config: SegmentConfig) -> Calibration | None:
        """What was measured of the model on this machine; None where nothing was yet."""
        return self._book.find(config.model, config.device)

    def calibrate(self, config: SegmentConfig) -> Calibration:
        """Measure the model on this machine, about two seconds once it is loaded.

        Raises:
            WeightsError, ParameterError: as `cached_model`.
        """
        return self._book.measure(config.model, config.checkpoint, config.device)

    def basis(self, config: SegmentConfig, scene_id: str = "") -> str:
        """What an estimate rests on: "scene", "runs", "calibration" or "guess"."""
        if scene_id and self._paces(config, 3, scene_id):
            return "scene"
        if self._paces(config, 3):
            return "runs"
        return "guess" if self.calibration(config) is None else "calibration"

    def remember(self, run: Run) -> None:
        """Learn from what a finished run took."""
        record = run.record
        streaming = record.get("streaming", {})
        seconds = float(record.get("seconds", {}).get("segment", 0.0))
        # NOTE: what was resumed took longer than this start of it, a cluster's time isn't ours.
        is_partial = streaming.get("resumed", 0) > 0 or streaming.get("scheduler") is not None
        if run.state != "done" or seconds <= 0 or is_partial:
            return
        config = SegmentConfig.from_dict(run.config)
        shape_hw = run.scene_shape_hw if run.area is None else run.area.shape_hw
        expected = workload(shape_hw, config, run.regions).seconds(DEFAULT_RATES[config.model])
        if expected <= 0:
            return
        megapixels = shape_hw[0] * shape_hw[1] / 1e6
        key = (config.model, config.device or "", config.preset)
        with self._database.writing() as book:
            book.execute(
                "INSERT INTO timings "
                "(model, device, preset, megapixels, seconds, slowness, scene_id) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, megapixels, seconds, seconds / expected, run.scene_id),
            )
            book.execute(
                "DELETE FROM timings WHERE number <= (SELECT max(number) FROM timings) - ?",
                (_TIMINGS_KEPT,),
            )

    def _slowness(self, config: SegmentConfig, scene_id: str, work: Workload) -> float:
        """How many times the default such runs take, by what is most alike."""
        of_scene = self._paces(config, 3, scene_id) if scene_id else []
        if paces := of_scene or self._paces(config, 3):
            return statistics.median(paces)
        if (measured := self.calibration(config)) is not None:
            default_s = work.seconds(DEFAULT_RATES[config.model])
            return work.seconds(measured.rates[config.preset]) / default_s if default_s else 1.0
        paces = self._paces(config, 2) or self._paces(config, 1)
        return statistics.median(paces) if paces else 1.0

    def _paces(self, config: SegmentConfig, alike: int, scene_id: str = "") -> list[float]:
        """Paces of the last runs on the same device, of the same model (2) and preset (3)."""
        where = ["device = ?", "model = ?", "preset = ?"][:alike]
        values = [config.device or "", config.model, config.preset][:alike]
        if scene_id:
            where, values = [*where, "scene_id = ?"], [*values, scene_id]
        with self._database.reading() as book:
            found = book.execute(
                f"SELECT slowness FROM timings WHERE {' AND '.join(where)} "
                "ORDER BY number DESC LIMIT ?",
                (*values, _TIMINGS_HEARD),
            ).fetchall()
        return [float(slowness) for (slowness,) in found]
