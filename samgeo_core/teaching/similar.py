"""How much objects are like some that were picked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.teaching.space import Points

COUNTER_WEIGHT = 0.5
"""What counter-examples count beside examples."""


def similarities(
    points: Points, examples: Points, counter_examples: Points | None = None
) -> NDArray[np.float64]:
    """How much each object is like what examples have in common, float64 [N], 0 to 1.

    The root of the cosine of two directions from what is usual among all objects: that of the
    object, and the mean of those of the examples, away from that of counter-examples (Rocchio's
    formula). It is 1 for a single example itself, and 0 for all that is no more like it than most
    objects are; things of the same kind have about a half and more.

    Args:
        points: N objects.
        examples: K objects that were picked.
        counter_examples: objects that are meant not to be found.

    Raises:
        ParameterError: there is no example.
    """
    if not len(examples):
        raise ParameterError("To find similar objects takes one to start from: pick one.")
    wanted = _directions(examples).mean(0)
    if counter_examples is not None and len(counter_examples):
        wanted = wanted - COUNTER_WEIGHT * _directions(counter_examples).mean(0)
    cosine = _directions(points) @ (wanted / max(float(np.linalg.norm(wanted)), 1e-12))
    return np.asarray(np.sqrt(np.clip(cosine, 0, 1)), np.float64)


def _directions(points: Points) -> NDArray[np.float64]:
    lengths = np.linalg.norm(points.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(points / np.maximum(lengths, 1e-12))
