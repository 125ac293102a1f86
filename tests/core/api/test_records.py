import numpy as np
import pytest

from samgeo_core.api.records import MaskRecords
from samgeo_core.objects import ObjectSet


@pytest.fixture
def objects() -> ObjectSet:
    big = np.ones((4, 6), bool)
    small = np.eye(2, dtype=bool)
    return ObjectSet.build(
        (10, 12), [big, small], [(3, 1), (0, 8)], [0.9, 0.8], [0.97, 0.96], [(5.5, 2.5), (0.5, 8.5)]
    )


def test_a_record_reads_like_the_generators_dictionary(objects: ObjectSet):
    record = dict(MaskRecords(objects)[1])
    full = np.zeros((10, 12), bool)
    full[1:5, 3:9] = True
    assert np.array_equal(record.pop("segmentation"), full)
    assert record == {
        "area": 24,
        "bbox": [3, 1, 6, 4],
        "predicted_iou": pytest.approx(0.9),
        "point_coords": [[5.5, 2.5]],
        "stability_score": pytest.approx(0.97),
        "crop_box": [0, 0, 12, 10],
    }


def test_records_are_a_sequence(objects: ObjectSet):
    records = MaskRecords(objects)
    assert len(records) == 2
    assert [r["area"] for r in sorted(records, key=lambda r: r["area"], reverse=True)] == [24, 2]
    assert records[-1]["area"] == 24
    assert [r["area"] for r in records[:1]] == [2]
    assert "area" in records[0] and "colour" not in records[0]
    with pytest.raises(IndexError):
        records[2]
    with pytest.raises(KeyError):
        records[0]["colour"]


def test_no_objects_no_records():
    records = MaskRecords(ObjectSet.empty((3, 3)))
    assert len(records) == 0 and list(records) == []
