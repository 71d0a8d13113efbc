"""What a model remembers of a task beside its head: where it comes from and what is usual there."""

import warnings

import numpy as np
from pydantic import BaseModel

from tsniqa.metrics import logistic

Quantiles = tuple[float, ...]


class TaskProfile(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """The origin of a task, its opinion scale, and how far its own images are from its centroids.

    Attributes:
        description, citation, licence: Of the dataset.
        simulated: Whether its opinions come from no people.
        images: How many it was learned from.
        held_out: How many images the following was measured on; none of them was learned from.
        srcc: Rank correlation of its own head with their opinions, or None if there is none.
        mos_range: Lowest and highest value of its opinion scale.
        scale: Four numbers of a logistic from its head's score, in standard deviations from the
            mean of its training images, to its opinion scale; None if none could be fitted.
        distances: The percentiles 0 to 100 of the distances, mean of both stages, of held-out
            images to its centroids.
    """

    description: str = ""
    citation: str = ""
    licence: str = ""
    simulated: bool = False
    images: int
    held_out: int
    srcc: float | None
    mos_range: tuple[float, float]
    scale: tuple[float, float, float, float] | None
    distances: Quantiles

    def on_scale(self, scores: np.ndarray) -> np.ndarray:
        """Map scores [N], in standard deviations, to the task's opinion scale."""
        return logistic(np.asarray(scores, dtype=np.float64), *self.scale)

    def unusual(self, distances: np.ndarray) -> np.ndarray:
        """Return for distances [N] which percentage of held-out images is nearer: float64 [N]."""
        return np.interp(distances, self.distances, np.arange(len(self.distances)), left=0)


def percentiles(distances: np.ndarray) -> Quantiles:
    """Return the percentiles 0 to 100 of distances [n], to six digits, the largest in full."""
    *found, largest = np.percentile(np.asarray(distances, dtype=np.float64), np.arange(101))
    return *(float(f"{value:.6g}") for value in found), float(largest)


def fit_scale(
    scores: np.ndarray, mos: np.ndarray, mos_range: tuple[float, float]
) -> tuple[float, float, float, float] | None:
    """Fit the rising logistic from scores [n] to opinions [n] that stays within the opinion scale.

    It is the function of four parameters of the Video Quality Experts Group (2000). None if it
    cannot be fitted, or no score ranks above another.
    """
    from scipy.optimize import OptimizeWarning, curve_fit  # it takes half a second

    if len(mos) < 4 or np.ptp(scores) == 0 or np.ptp(mos) == 0:
        return None
    low, high = min(mos_range[0], min(mos)), max(mos_range[1], max(mos))
    bounds = (low, low, -20, 1e-3), (high, high, 20, 100)
    start = np.clip((max(mos), min(mos), np.median(scores), np.std(scores)), *bounds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # the covariance is not asked for
            found, _ = curve_fit(logistic, scores, mos, p0=start, bounds=bounds, maxfev=10_000)
    except (RuntimeError, ValueError):
        return None
    upper, lower = found[:2]
    return tuple(map(float, found)) if upper >= lower else None
