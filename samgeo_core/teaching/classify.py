"""Classes for all objects from a few that somebody marked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.teaching.space import Points

NOT_THIS = 0
"""Number of no class: what was marked as none of them, or is taken for none."""

STRENGTH = 0.3
"""Inverse of the regularisation (scikit-learn's C), by measurement: benchmarks.teaching."""

SHARPNESS = 2
"""Power to which probabilities are raised, by measurement: so strong a regularisation leaves them
at 75 % where 95 % is right. Neither the classes nor the order of doubt depend on it."""

Model = Callable[[Points, NDArray[np.int64], Points], NDArray[np.float64]]
"""Learns from points [M, D] with class indices [M], of which each occurs, and gives the probability
of each class for points [N, D]: float64 [N, K]."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Classes of N objects.

    Attributes:
        numbers: int64 [N], the class of each object, `NOT_THIS` for none.
        confidence: float64 [N], probability of that class, 1 for marked objects.
        doubt: float64 [N], 0 where one class is certain, 1 where the two likeliest are as likely;
            -1 for marked objects.
    """

    numbers: NDArray[np.int64]
    confidence: NDArray[np.float64]
    doubt: NDArray[np.float64]

    def most_doubtful(self, count: int = 1) -> NDArray[np.int64]:
        """Indices of unmarked objects, the most doubtful first."""
        order = np.argsort(-self.doubt, kind="stable")
        return order[self.doubt[order] >= 0][:count]


def logistic(points: Points, classes: NDArray[np.int64], others: Points) -> NDArray[np.float64]:
    """Logistic regression in which each class counts the same, however many marks it has."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    learner = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=200, tol=1e-5)
    with warnings.catch_warnings():
        # Some digits more or less change no class.
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(points.astype(np.float64), classes)
    shares = learner.predict_proba(others.astype(np.float64)) ** SHARPNESS
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float64)


def classify(
    points: Points,
    marked: NDArray[np.int64],
    numbers: NDArray[np.int64],
    *,
    examples: Points | None = None,
    model: Model = logistic,
) -> Prediction:
    """Give every object the class of the marked ones that it is most like.

    Args:
        points: N objects.
        marked: int64 [M], indices of marked objects, each once.
        numbers: int64 [M + E], their classes, and then those of ``examples``.
        examples: E more marked objects that aren't among the N.
        model: how to learn.

    Raises:
        ParameterError: the lengths differ, or the marks are all of one class.
    """
    learnt = points[marked] if examples is None else np.concatenate([points[marked], examples])
    if len(learnt) != len(numbers):
        raise ParameterError(f"{len(learnt)} marked objects need as many classes.")
    names, classes = np.unique(numbers, return_inverse=True)
    if len(names) < 2:
        raise ParameterError(
            "To tell objects apart takes marks of two kinds: mark something else, too."
        )
    shares = model(learnt, classes.astype(np.int64), points)
    ordered = np.sort(shares, axis=1)
    best = shares.argmax(1)
    found = names[best].astype(np.int64)
    confidence, doubt = ordered[:, -1].copy(), 1 - (ordered[:, -1] - ordered[:, -2])
    found[marked] = numbers[: len(marked)]
    confidence[marked], doubt[marked] = 1.0, -1.0
    return Prediction(found, confidence, doubt)
