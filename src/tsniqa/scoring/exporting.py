"""A model, or one of its tasks, as one ONNX file that scores images without PyTorch."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import Tensor, nn
from torch.nn.functional import one_hot

from tsniqa import __version__
from tsniqa.errors import ConfigError, unknown_name
from tsniqa.model.readouts import readout_levels
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import written_whole
from tsniqa.scoring.onnx_graph import ExportableBackbone, export

TOLERANCE = 1e-5
"""How far an exported file's scores may be from the model's."""


class Scorer(nn.Module):
    """What a readout of a model, or one of its heads, says of images: without NumPy, as a graph."""

    def __init__(self, model: TSNIQA, readout: str, task: str | None = None) -> None:
        """Take what is needed of a model for a readout, or for the head of one task."""
        super().__init__()
        self.model, self.readout, self.card = model, readout, model.backbone.card
        self.tasks = model.tasks if task is None else [task]
        self.gated = task is None and model.gate is not None
        self.heads = nn.ModuleList(model.heads[task] for task in self.tasks)
        self.owners = [model.owner(task) for task in self.tasks]
        names = list(model.bank.initial)
        self.network = ExportableBackbone(model.backbone, names)
        self.states = {
            owner: [state[name].cpu() for name in names]
            for owner in model.states_for(self.tasks, self.gated)
            for state in [model.bank.state(owner)]
        }

    def forward(self, images: Tensor) -> Tensor:
        """Score images, float32 [N, 3, H, W] in [0, 1] and shrunk already: float32 [N]."""
        values = self.card.mean, self.card.std
        mean, std = (torch.tensor(channels).view(3, 1, 1) * 255 for channels in values)
        inputs = (images * 255 - mean) / std
        features = {owner: self.network(inputs, *own) for owner, own in self.states.items()}
        pairs = zip(self.heads, self.owners, strict=True)
        heads = [head.score(features[owner][2]) for head, owner in pairs]
        if not self.gated:
            return heads[0]
        levels = readout_levels(self.readout, [self.model.levels[task] for task in self.tasks])
        mean, spread = torch.from_numpy(levels).unbind(1)
        standardised = (torch.stack(heads, dim=1).double() - mean) / spread
        weights = self._weights([stage.double() for stage in features[None][:2]])
        return (weights * standardised).sum(1).float()

    def _weights(self, stages: list[Tensor]) -> Tensor:
        """Return the readout's weights [N, T] for the gate's two stages, all float64."""
        if self.readout == "uniform":
            return torch.full((1, len(self.tasks)), 1 / len(self.tasks), dtype=torch.float64)
        if self.readout == "calibrated":
            gate, width = self.model.analytic, stages[0].shape[1]
            at_zero = gate.transform(np.zeros((1, width)))  # the gate is linear
            slope = torch.from_numpy(gate.transform(np.eye(width)) - at_zero)
            return torch.softmax(
                gate.sharpness * (stages[0] @ slope + torch.from_numpy(at_zero)), dim=1
            )
        gate, far = self.model.gate, []
        for task in self.tasks:
            pairs = zip(stages, map(torch.from_numpy, gate.centroids_[task]), strict=True)
            nearest = [
                (own[:, None] - centroids.double()).square().sum(2).sqrt().amin(1)
                for own, centroids in pairs
            ]
            far.append(torch.stack(nearest, dim=1))
        distances = torch.stack(far, dim=1).float().double()  # as the gate rounds them
        weights = torch.softmax(-gate.temperature * distances, dim=1).mean(2)
        if self.readout == "hard":
            return one_hot(weights.argmax(1), len(self.tasks)).double()
        return weights


def export_model(
    model: TSNIQA, path: Path, readout: str | None = None, task: str | None = None
) -> float:
    """Write a model, or one head with its network, as an ONNX file; it appears whole or not at all.

    Its input ``image`` is float32 [N, 3, H, W], RGB in [0, 1], of any N, H and W; its output
    ``score`` is float32 [N]. Its metadata say what it is: among them ``tasks`` (JSON: description,
    citation and licence of each), ``readout`` and ``shorter_side``, to which larger images are to
    be shrunk before.

    Args:
        model: The model.
        path: Of the file, which is replaced if it exists.
        readout: One that weighs every image by itself, by default the model's; not used with
            ``task`` or a shared head.
        task: The name of the head that is wanted alone.

    Returns:
        By how much its scores differed from PyTorch's.

    Raises:
        ConfigError: The task is unknown, the readout is not possible, or the file would say
            something else than the model.
    """
    if task is not None and task not in model.heads:
        raise unknown_name("task", task, model.heads)
    model.check_readout(readout)
    readout = readout or model.readout
    mixed = task is None and model.gate is not None
    if mixed and readout == "set":
        raise ConfigError(
            "the readout 'set' weighs images together, which a file that scores one cannot; take "
            "--readout calibrated"
        )
    graph = export(Scorer(model, readout, task), [torch.rand(1, 3, 64, 96)], ["image"], ["score"])
    helper.set_model_props(graph, describe(model, readout if mixed else None, task))
    with written_whole(path) as partial:
        onnx.save(graph, partial)
        difference = compare(partial, model, readout, task)
        if not difference <= TOLERANCE:
            raise ConfigError(
                f"the file would score otherwise than the model, by {difference:.1e}; nothing is "
                "written"
            )
    return difference


def describe(model: TSNIQA, readout: str | None, task: str | None) -> dict[str, str]:
    """Return what a file says of itself, all as text."""
    told = {}
    for name in model.tasks if task is None else [task]:
        own = model.profiles.get(name)
        kept = {"description", "citation", "licence", "simulated", "images", "mos_range", "scale"}
        told[name] = own.model_dump(mode="json", include=kept) if own else {}
    card = model.backbone.card
    return {
        "tasks": json.dumps(told, ensure_ascii=False),
        "readout": readout or "one head",
        "shorter_side": str(model.shorter_side),
        "backbone": json.dumps(
            {"model": card.model, "source": card.source, "licence": card.licence}
        ),
        "input": "RGB in [0, 1]",
        "higher": "better",
        "made_by": f"tsniqa {__version__}",
    }


def compare(path: Path, model: TSNIQA, readout: str, task: str | None) -> float:
    """Return the largest difference of a file's scores from the model's, on images of two sizes."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator, largest = torch.Generator().manual_seed(0), 0.0
    for count, height, width in ((2, 97, 131), (1, 160, 96)):
        coarse = torch.rand(count, 3, height // 8, width // 8, generator=generator)
        images = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
        (found,) = session.run(None, {"image": images.numpy()})
        if task is None:
            expected = model.table(model.read(images), readout)["score"].to_numpy()
        else:
            expected = model.read(images, [task], gate=False).heads[:, 0]
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest
