"""Continual learning of blind image quality models by task-specific normalization (TSN-IQA).

A study of Zhang, Ma, Zhai and Yang, *Task-Specific Normalization for Continual Learning of Blind
Image Quality Models*, IEEE Transactions on Image Processing 33, 2024 (arXiv 2107.13429).

    >>> from tsniqa import TSNIQA
    >>> model = TSNIQA.load("photographs")  # the shipped one, or a folder
    >>> scores = model.predict(["beach.jpg", "forest.png"])  # float64 [2], higher is better
    >>> table = model.explain("beach.jpg")  # each head's score, the gate's weights and distances
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsniqa.model.backbone import load_backbone
    from tsniqa.model.fidelity import fidelity_loss, thurstone
    from tsniqa.model.gating import KMeansGate
    from tsniqa.model.heads import LinearHead
    from tsniqa.model.normalization import NormalizationBank
    from tsniqa.model.tsniqa import TSNIQA

__version__ = "0.1.0"

__all__ = [
    "TSNIQA", "KMeansGate", "LinearHead", "NormalizationBank", "fidelity_loss", "load_backbone",
    "thurstone",
]  # fmt: skip

# Libraries that show downloads complain in every notebook that a widget package is absent.
warnings.filterwarnings("ignore", message="IProgress not found")

_PLACES = {
    "TSNIQA": "tsniqa", "KMeansGate": "gating", "LinearHead": "heads",
    "NormalizationBank": "normalization", "fidelity_loss": "fidelity", "thurstone": "fidelity",
    "load_backbone": "backbone",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a name of the method when it is first asked for: torch takes seconds."""
    if name in _PLACES:
        return getattr(import_module(f"tsniqa.model.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'tsniqa' has no attribute '{name}'")
