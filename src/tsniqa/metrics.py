"""Measures of a continual-learning run, as pure functions of arrays.

Matrix measures take lower-triangular arrays whose row t describes the model after learning task t
and whose column s is a task's test set; cells above the diagonal are never read. A measure that
needs a cell holding NaN (a strategy without that intermediate model, a constant prediction) is NaN.

Sources: plasticity, stability and their summaries from Zhang et al., TIP 2024; MPSR from Zhang
et al., *Continual Learning for Blind Image Quality Assessment*, TPAMI 2023.
"""

import warnings

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import expit
from scipy.stats import kendalltau, rankdata


def srcc(prediction: np.ndarray, mos: np.ndarray) -> float:
    """Spearman's rank correlation of scores [N] with labels [N], average ranks for ties.

    In [-1, 1]; NaN if either input is constant. Computed from doubled, centred ranks, which are
    whole numbers: the result is the same whatever the order of the images, and exactly 1 for
    identical arrays.

    Raises:
        ValueError: Shapes differ, or a value is not finite.
    """
    prediction, mos = _checked(prediction, mos)
    # Its sums are exact, in any sequence, below about 200,000 images.
    a, b = (2 * rankdata(values) - (len(values) + 1) for values in (prediction, mos))
    spread = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / spread) if spread else float("nan")


def plcc(prediction: np.ndarray, mos: np.ndarray) -> float:
    """Pearson's linear correlation of scores [N] with labels [N]; otherwise as :func:`srcc`."""
    prediction, mos = _checked(prediction, mos)
    if _constant(prediction) or _constant(mos):
        return float("nan")
    a, b = _standardised(prediction), _standardised(mos)
    value = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    return float(np.clip(value, -1, 1))


def plcc_logistic(prediction: np.ndarray, mos: np.ndarray) -> float:
    """Pearson's correlation after a 4-parameter logistic is fitted from scores [N] to labels [N].

    The function is that of the Video Quality Experts Group,
    ``(b1 - b2) / (1 + exp(-(x - b3) / |b4|)) + b2``. It may fall as well as rise, so a model that
    ranks everything in reverse also gets a positive value: read it beside :func:`srcc`. NaN if
    either input is constant, N is below 4, or the fit fails; errors as of :func:`srcc`.
    """
    prediction, mos = _checked(prediction, mos)
    if len(mos) < 4 or _constant(prediction) or _constant(mos):
        return float("nan")
    # The family is closed under scaling of both axes; standard units make the fit well conditioned.
    x, y = _standardised(prediction), _standardised(mos)
    falling = (x * y).sum() < 0
    ends = (y.min(), y.max()) if falling else (y.max(), y.min())
    best, smallest = None, np.inf
    for width in (0.25, 1.0, 4.0):  # from one start the fit may end in a local minimum
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OptimizeWarning)
                fitted, _ = curve_fit(logistic, x, y, p0=(*ends, 0.0, width), maxfev=5_000)
        except RuntimeError:
            continue
        mapped = logistic(x, *fitted)
        error = ((mapped - y) ** 2).sum()
        if error < smallest:
            best, smallest = mapped, error
    return float("nan") if best is None else plcc(best, mos)


def logistic(x: np.ndarray, b1: float, b2: float, b3: float, b4: float) -> np.ndarray:
    """Return the logistic from b2 to b1, half-way at b3 and as wide as b4 (VQEG, 2000)."""
    return (b1 - b2) * expit((x - b3) / max(abs(b4), 1e-12)) + b2


def krcc(prediction: np.ndarray, mos: np.ndarray) -> float:
    """Kendall's tau-b of scores [N] with labels [N]; otherwise as :func:`srcc`."""
    prediction, mos = _checked(prediction, mos)
    if _constant(prediction) or _constant(mos):
        return float("nan")
    if np.array_equal(rankdata(prediction), rankdata(mos)):
        return 1.0
    return float(kendalltau(prediction, mos).statistic)


def _checked(prediction: np.ndarray, mos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(prediction, np.float64), np.asarray(mos, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"prediction {first.shape} and mos {second.shape} must be vectors alike")
    for name, values in (("prediction", first), ("mos", second)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds a value that is not a finite number")
    return first, second


def _constant(values: np.ndarray) -> bool:
    return len(values) == 0 or bool((values == values[0]).all())


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    centred = centred / np.abs(centred).max()
    return centred / np.sqrt((centred * centred).mean())


def _square(matrix: np.ndarray) -> np.ndarray:
    array = np.asarray(matrix, np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not len(array):
        raise ValueError(f"expected a square matrix with at least one task, not {array.shape}")
    return array


def plasticity(srcc_matrix: np.ndarray) -> np.ndarray:
    """Plasticity index PI_t = S[t, t] of every step, [T]: how well each task was learned.

    S[t, s], here and below, is the SRCC on task s after learning task t, for s <= t.
    """
    return _square(srcc_matrix).diagonal().copy()


def stability(agreement: np.ndarray) -> np.ndarray:
    """Stability index of every step, [T]: SI_1 = 1, SI_t = mean over s < t of agreement[t, s].

    A cell is the SRCC of the predictions for task s after learning t with those right after s.
    """
    matrix = _square(agreement)
    return np.array([1.0, *(matrix[t, :t].mean() for t in range(1, len(matrix)))])


def mean_plasticity(srcc_matrix: np.ndarray) -> float:
    """Mean plasticity index, mPI: the mean of :func:`plasticity` over the steps."""
    return float(plasticity(srcc_matrix).mean())


def mean_stability(agreement: np.ndarray) -> float:
    """Mean stability index, mSI: the mean of :func:`stability` over the steps."""
    return float(stability(agreement).mean())


def mean_plasticity_stability(srcc_matrix: np.ndarray, agreement: np.ndarray) -> float:
    """Mean plasticity-stability index, mPSI = (mPI + mSI) / 2."""
    return (mean_plasticity(srcc_matrix) + mean_stability(agreement)) / 2


def mean_srcc(srcc_matrix: np.ndarray) -> float:
    """MSRCC: the mean over steps t of the mean SRCC over the tasks s <= t learned so far."""
    matrix = _square(srcc_matrix)
    return float(np.mean([matrix[t, : t + 1].mean() for t in range(len(matrix))]))


def mpsr(srcc_matrix: np.ndarray) -> float:
    """Mean over the steps of the predecessor paper's plasticity-stability ratio.

    S is mapped to (S + 1) / 2; PSR_1 = S[1, 1]; PSR_t = S[t, t] times the mean over s < t of
    S[t, s] / (S[s, s] + 1e-16).
    """
    positive = (_square(srcc_matrix) + 1) / 2
    learned = positive.diagonal() + 1e-16
    ratios = [positive[0, 0]]
    for t in range(1, len(positive)):
        ratios.append(positive[t, t] * (positive[t, :t] / learned[:t]).mean())
    return float(np.mean(ratios))


def backward_transfer(srcc_matrix: np.ndarray) -> float:
    """Backward transfer, BWT: the mean over s < T of S[T, s] - S[s, s]; negative if it forgets.

    In [-2, 2]; NaN for a single task. Source: Lopez-Paz and Ranzato, *Gradient Episodic Memory for
    Continual Learning*, NIPS 2017.
    """
    matrix = _square(srcc_matrix)
    changes = (matrix[-1] - matrix.diagonal())[:-1]
    return float(changes.mean()) if len(changes) else float("nan")


def forgetting(srcc_matrix: np.ndarray) -> float:
    """Forgetting measure: the mean over s < T of max over s <= t < T of S[t, s] - S[T, s].

    In [-2, 2]; NaN for a single task. Source: Chaudhry et al., *Riemannian Walk for Incremental
    Learning*, ECCV 2018.
    """
    matrix = _square(srcc_matrix)
    lost = [matrix[s:-1, s].max() - matrix[-1, s] for s in range(len(matrix) - 1)]
    return float(np.mean(lost)) if lost else float("nan")


def bootstrap_srcc(prediction: np.ndarray, mos: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """SRCC [draws], as of :func:`srcc`, of resamples of N images.

    ``counts`` says how often each draw has each image, whole numbers [draws, N]; the sums of a row
    may differ, as they do where whole groups of images are drawn. Every value is exactly that of
    the images repeated so often. Two sets of scores drawn alike can be compared pair by pair.
    """
    prediction, mos = _checked(prediction, mos)
    blocks = np.array_split(np.asarray(counts), -(-len(counts) // 100))  # these stay in the cache
    return np.concatenate([_repeated_srcc(prediction, mos, block) for block in blocks])


def _repeated_srcc(prediction: np.ndarray, mos: np.ndarray, counts: np.ndarray) -> np.ndarray:
    times = np.ascontiguousarray(counts.T, np.float64)
    a, b = _repeated_ranks(prediction, times), _repeated_ranks(mos, times)
    weighted = times * a
    spread = np.einsum("nd,nd->d", weighted, a) * np.einsum("nd,nd,nd->d", times, b, b)
    with np.errstate(invalid="ignore"):
        return np.einsum("nd,nd->d", weighted, b) / np.sqrt(spread)


def _repeated_ranks(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return doubled, centred average ranks [N, draws] of N values, each repeated ``times``."""
    order = np.argsort(values, kind="stable")
    below = np.zeros((len(values) + 1, times.shape[1]))
    np.cumsum(times[order], axis=0, out=below[1:])
    first, last = (np.searchsorted(values[order], values, side) for side in ("left", "right"))
    return below[first] + below[last] - below[-1]  # of a tie, the ranks of its first and last


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the 95% percentile interval of a statistic over its resamples [draws].

    Of a difference, give the draws of both, drawn alike, subtracted. Resamples with NaN are left
    out; (NaN, NaN) if none is left.
    """
    draws = np.asarray(draws, np.float64)
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    return tuple(np.quantile(draws, [0.025, 0.975]).tolist())
