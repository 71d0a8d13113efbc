"""Simulated observers: from a pristine and a distorted image to a mean opinion score.

The labels of the mini benchmark are SIMULATED. A full-reference score says how much is lost; a
population of observers, different for every task, then judges the loss by its own sensitivities
to distortions and contents, and single observers rate with their own bias and noise on the
dataset's scale. Nothing here knows of any model that will be trained on the labels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsniqa.synthetic.fields import Generator

Scores = NDArray[np.float64]


def full_reference(pristine: NDArray[np.uint8], distorted: NDArray[np.uint8]) -> Scores:
    """Score distorted images against their pristine ones.

    HaarPSI (Reisenhofer et al., Signal Processing: Image Communication 61, 2018) and GMSD (Xue et
    al., IEEE TIP 23, 2014), both through piq, in double precision and fixed batches so that the
    result does not depend on how many images are scored together.

    Args:
        pristine: Array [N, H, W, 3], 8-bit RGB.
        distorted: Likewise.

    Returns:
        Array [N, 2]: HaarPSI (0 to 1, 1 when identical) and GMSD (0 when identical), rounded to
        six decimals.
    """
    import piq
    import torch

    def batches(images: NDArray[np.uint8]) -> Iterator[torch.Tensor]:
        for batch in torch.from_numpy(images).permute(0, 3, 1, 2).split(64):
            yield batch.to(torch.float64).contiguous() / 255

    rows = []
    with torch.inference_mode():
        for x, y in zip(batches(distorted), batches(pristine), strict=True):
            both = [measure(x, y, reduction="none") for measure in (piq.haarpsi, piq.gmsd)]
            rows.append(torch.stack(both, dim=1).numpy())
    return np.round(np.concatenate(rows), 6)


def fidelity_to_pristine(scores: Scores) -> Scores:
    """Combine :func:`full_reference` to one quality [N] in [0, 1].

    It is the mean of HaarPSI and of 1 - GMSD / 0.35 (clipped at 0).
    """
    haarpsi, gmsd = scores[:, 0], scores[:, 1]
    return 0.5 * haarpsi + 0.5 * np.clip(1 - gmsd / 0.35, 0, 1)


@dataclass(frozen=True)
class Population:
    """The people who rated one task."""

    scale: tuple[float, float]  # lowest and highest rating
    panel: tuple[int, int]  # least and greatest number of raters of an image
    contrast: float  # exponent on the loss; below 1, small losses are already punished
    noise: float  # standard deviation of one rating, as a share of the scale
    typical_loss: float  # loss that this population puts at the middle of its scale
    categories: int | None = None  # number of equally spaced grades; None is a slider
    # Factor on the loss by distortion (1 where not listed; below 1 is lenient).
    sensitivity: dict[str, float] = field(default_factory=dict)
    # Shift of the opinion by content family, as a share of the scale.
    preference: dict[str, float] = field(default_factory=dict)

    def opinion(self, quality: float, distortion: str, family: str) -> float:
        """Give the expected opinion, in [0, 1], of one image with a quality in [0, 1]."""
        loss = self.sensitivity.get(distortion, 1.0) * (1 - quality)
        judged = 1 / (1 + (loss / self.typical_loss) ** (2 * self.contrast))
        return float(np.clip(judged + self.preference.get(family, 0.0), 0.02, 0.98))

    def rate(self, opinion: float, generator: Generator) -> tuple[float, float]:
        """Collect the ratings of one image, of expected ``opinion`` in [0, 1], by a drawn panel.

        Each rater has a personal bias (0.6 of the noise) besides the noise of the single rating;
        ratings are cut at the ends of the scale and, where the scale has grades, rounded to one.

        Returns:
            Mean opinion score on the dataset's scale, and the standard deviation of the ratings.
        """
        raters = int(generator.integers(self.panel[0], self.panel[1] + 1))
        bias = 0.6 * self.noise * generator.standard_normal(raters)
        noise = 0.8 * self.noise * generator.standard_normal(raters)
        ratings = np.clip(opinion + bias + noise, 0, 1)
        if self.categories is not None:
            steps = self.categories - 1
            ratings = np.round(ratings * steps) / steps
        low, high = self.scale
        ratings = low + (high - low) * ratings
        return round(float(ratings.mean()), 4), round(float(ratings.std(ddof=1)), 4)


POPULATIONS: dict[str, Population] = {
    "mini-live": Population(
        scale=(0.0, 100.0), panel=(20, 25), contrast=0.7, noise=0.12, typical_loss=0.27,
        sensitivity={"white-noise": 0.75, "fast-fading": 1.15, "gaussian-blur": 1.1},
        preference={"portrait": 0.04, "leaves": -0.04},
    ),
    "mini-csiq": Population(
        scale=(0.0, 1.0), panel=(20, 25), contrast=0.75, noise=0.1, typical_loss=0.25,
        sensitivity={"white-noise": 1.25, "pink-noise": 1.1, "contrast": 1.4, "jpeg": 0.9},
        preference={"fur": 0.03, "waves": -0.03},
    ),
    "mini-bid": Population(
        scale=(0.0, 5.0), panel=(15, 20), contrast=0.65, noise=0.17, typical_loss=0.21,
        sensitivity={"lens-blur": 0.8, "camera-shake": 1.15, "motion-blur": 1.1},
        preference={"signs": -0.05, "objects": 0.05},
    ),
    "mini-clive": Population(
        scale=(0.0, 100.0), panel=(20, 25), contrast=0.75, noise=0.18, typical_loss=0.28,
        sensitivity={"phone-low-light": 0.85, "phone-exposure": 1.2, "phone-shake": 1.1},
        preference={"portrait": 0.06, "night": -0.05, "landscape": 0.04},
    ),
    "mini-koniq": Population(
        scale=(1.0, 5.0), panel=(22, 25), contrast=0.75, noise=0.16, typical_loss=0.22,
        categories=5,
        preference={
            "landscape": 0.06, "portrait": 0.05, "foliage": 0.04, "night": -0.04, "page": -0.06,
            "leaves": -0.03,
        },
    ),
    "mini-kadid": Population(
        scale=(1.0, 5.0), panel=(15, 20), contrast=0.65, noise=0.17, typical_loss=0.22,
        categories=5,
        sensitivity={
            "brighten": 1.3, "darken": 1.3, "mean-shift": 1.3, "saturation-lab": 1.2,
            "saturation-hsv": 0.8, "colour-shift": 2.5, "colour-diffusion": 2.5,
            "colour-quantization": 1.2, "colour-block": 1.2, "non-eccentricity-patch": 0.75,
            "jitter": 1.15, "white-noise": 0.9, "quantization": 0.85,
        },
        preference={"page": -0.05, "foliage": 0.05},
    ),
}  # fmt: skip
"""The population of each task: its scale, habits and biases."""
