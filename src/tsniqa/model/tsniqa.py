"""TSN-IQA as a model: frozen backbone, normalization bank, heads, and the gate that mixes them.

Models of other strategies are the same object: with one head for all tasks and no gate, or with
heads on one network that tasks have changed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import Tensor, nn

from tsniqa.errors import ConfigError, DataError
from tsniqa.model.backbone import Backbone, Features
from tsniqa.model.gating import AnalyticGate, KMeansGate, softmin_weights
from tsniqa.model.heads import Head, make_head
from tsniqa.model.normalization import NormalizationBank, everything
from tsniqa.model.profiles import TaskProfile
from tsniqa.model.readouts import ANALYTIC, Level, Reading, mix, readout_levels, readout_weights
from tsniqa.model.saving import load_model, save_model
from tsniqa.pixels import SHORTER_SIDE, Image, as_images, batches, checked, shrink
from tsniqa.storage import fingerprint, grouped, symmetric, upper_triangle

Compute = Callable[[Tensor, Sequence[str | None]], dict[str | None, Features]]
"""Passes a batch, shrunk already, through the network in each of some states."""

SHARED = "shared"
"""Name of a head, or of a state of the bank, that all tasks have in common."""


class TSNIQA(nn.Module):
    """Score images with one head a task, mixed by a gate.

    Attributes:
        lower_better: False: a higher score is a better image.
        backbone: The shared network.
        gate: Centroids of every task on the untouched network; None with one shared head.
        analytic: The second gate, which readouts ``calibrated`` and ``set`` need, or None.
        bank: What each task owns of the network. The head of a task that owns no state is read
            under the state ``"shared"`` if there is one, else under the untouched network.
        shorter_side: Larger images are shrunk to this shorter side before scoring.
        readout: One of :data:`.MIXTURES`: how it scores if it is not told; with ``set``, all images
            of a call are taken to belong together.
        heads: One head a task, or the one head ``"shared"``.
        levels: For each head, that of its scores over its own training images.
        profiles: For tasks that were measured on held-out images, what is usual there.
    """

    lower_better = False

    def __init__(
        self, backbone: Backbone, gate: KMeansGate | None = None,
        bank: NormalizationBank | None = None, shorter_side: int = SHORTER_SIDE,
        analytic: AnalyticGate | None = None, readout: str = "gated",
    ) -> None:  # fmt: skip
        super().__init__()
        self.backbone = backbone
        self.gate, self.analytic, self.readout = gate, analytic, readout
        self.bank = NormalizationBank(backbone.network) if bank is None else bank
        self.shorter_side = shorter_side
        self.heads: dict[str, Head] = {}
        self.levels: dict[str, Level] = {}
        self.profiles: dict[str, TaskProfile] = {}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "TSNIQA":
        super()._apply(fn, recurse)
        self.bank.apply(fn)  # states are no buffers, but go where the network goes
        return self

    @property
    def tasks(self) -> list[str]:
        """Names of the heads, sorted: the order of columns everywhere."""
        return sorted(self.heads)

    def add_task(
        self, name: str, head: Head, features: Features, gate_features: Sequence[Tensor],
        random_state: int = 0,
    ) -> None:  # fmt: skip
        """Keep what was learned for a task; the network holds its state at this moment.

        Args:
            name: The task's name.
            head: Its head.
            features: Of its n training images under that state, on the CPU.
            gate_features: [n, C3] and [n, C4] of the same images on the untouched network.
            random_state: Seed of the gate's K-means.
        """
        level = Level.of(head.score(features.head).numpy())
        if self.gate is not None:  # what can fail comes before anything is kept
            self.fit_gates(name, gate_features, random_state)
        self.bank.store(name)
        self.heads[name], self.levels[name] = head, level

    def keep_head(self, name: str, head: Head, features: Features) -> None:
        """Keep a head, and the level of its scores over the images of some features, on the CPU."""
        self.heads[name] = head
        self.levels[name] = Level.of(head.score(features.head).numpy())

    def fit_gates(self, name: str, features: Sequence[Tensor], random_state: int = 0) -> None:
        """Let the gates learn a task, as :meth:`add_task` does."""
        stages = [stage.numpy() for stage in features]
        self.gate.partial_fit(stages, name, random_state)
        if self.analytic is not None:
            self.analytic.partial_fit(stages[0], name)

    def owner(self, task: str) -> str | None:
        """Name the state that a task's head is read under; None is the untouched network."""
        return next((name for name in (task, SHARED) if name in self.bank.states), None)

    def states_for(self, tasks: Iterable[str], gate: bool = True) -> list[str | None]:
        """Name the states that some heads and the gate need; the gate reads the untouched one."""
        if not self.heads:
            raise ConfigError("the model has learned no task yet; add one before scoring")
        gates = [None] if gate and self.gate else []
        return list(dict.fromkeys([*map(self.owner, tasks), *gates]))

    def features(self, images: Tensor, owners: Iterable[str | None]) -> dict[str | None, Features]:
        """Pass a batch, shrunk already, through the network in each of some states.

        Args:
            images: [N, 3, H, W], uint8 or floating point in [0, 1].
            owners: Names of states as :meth:`owner` gives them.

        Returns:
            Features by state, on the network's device.
        """
        inputs, forward = self.backbone.preprocess(images), self.backbone.forward_with
        return {owner: forward(self.bank.state(owner), inputs) for owner in owners}

    def _reading(self, heads: np.ndarray, features: Features) -> Reading:
        """Add to heads what the gates read from features on the untouched network."""
        stages = [stage.detach().cpu().numpy() for stage in features.gate]
        return Reading(heads, self.gate.transform(stages), stages[0])

    def mixture(self, reading: Reading, readout: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a readout's weights [N, T] and levels [T, 2] of all heads, as :func:`.mix` takes.

        Raises:
            ConfigError: The readout is unknown, or needs a gate that the model does not have.
        """
        published = softmin_weights(reading.distances, self.gate.temperature)
        calibrated = None
        if self.analytic and readout in ANALYTIC:
            calibrated = self.analytic.predict_proba(reading.gate_features)
        levels = readout_levels(readout, [self.levels[task] for task in self.tasks])
        return readout_weights(readout, published, calibrated), levels

    def forward(self, images: Tensor) -> Tensor:
        """Score a batch by the model's readout, or by the shared head.

        Gradients reach the images; the gate's weights are constants. With the readout ``set`` the
        images of a batch share one weight vector. Where images are shrunk, those in uint8 are
        rounded once more.

        Args:
            images: [N, 3, H, W], uint8 or floating point in [0, 1].

        Returns:
            Float32 [N], higher is better, on the network's device: in [-1, 1]; with ``calibrated``
            and ``set`` in standard deviations from the mean of the heads' training images.

        Raises:
            ConfigError: No task has been learned, or the readout needs a gate that is not there.
            DataError: Shape, type or values are not those of a batch of images.
        """
        images = shrink(checked(images, 4), self.shorter_side)
        features = self.features(images, self.states_for(self.tasks))
        scores = [self.heads[task].score(features[self.owner(task)].head) for task in self.tasks]
        heads = torch.stack(scores, dim=1)
        if self.gate is None:
            return heads[:, 0]
        reading = self._reading(heads.detach().cpu().numpy(), features[None])
        weights, levels = (torch.tensor(x).to(heads) for x in self.mixture(reading, self.readout))
        return (weights * (heads - levels[:, 0]) / levels[:, 1]).sum(1)

    def read(
        self, images: Iterable[Tensor], tasks: Sequence[str] | None = None, gate: bool = True,
        untouched: Features | None = None, compute: Compute | None = None,
    ) -> Reading:  # fmt: skip
        """Read heads and gates: batches of images outside, tasks inside.

        Args:
            images: N tensors [3, H, W], uint8 or floating point in [0, 1], shrunk already; a
                generator is read one batch at a time, a tensor [N, 3, H, W] at once.
            tasks: Names of heads, default all; none if only the gate is asked.
            gate: Whether distances and features of the gates are wanted.
            untouched: Features of the images on the untouched network, if they are known already.
            compute: What passes batches through the network, by default :meth:`features`.

        Raises:
            ConfigError: No task has been learned.
            DataError: There is no image.
        """
        tasks, gate = self.tasks if tasks is None else tasks, gate and self.gate is not None
        wanted = self.states_for(tasks, gate)
        whole = {} if untouched is None else {None: untouched}
        missing = [owner for owner in wanted if owner not in whole]
        parts: dict[str | None, list[Features]] = {owner: [] for owner in missing}
        with torch.inference_mode():
            parted = [images] if isinstance(images, Tensor) else batches(images)
            for batch in parted if missing else ():
                for owner, features in (compute or self.features)(batch, missing).items():
                    parts[owner].append(features.cpu())
            if missing and not parts[missing[0]]:
                raise DataError("there is no image to score; give at least one")
            whole |= {owner: Features.joined(found) for owner, found in parts.items()}
            heads = np.empty((len(whole[wanted[0]].head), len(tasks)), dtype=np.float32)
            for column, task in enumerate(tasks):
                heads[:, column] = self.heads[task].score(whole[self.owner(task)].head)
        return self._reading(heads, whole[None]) if gate else Reading(heads)

    def explain(self, images: Image | Iterable[Image], readout: str | None = None) -> pd.DataFrame:
        """Score images, and say where each score comes from.

        Args:
            images: Paths, PIL images, arrays [H, W, 3] or tensors [3, H, W] (uint8, or floating
                point in [0, 1]); one or many.
            readout: One of :data:`.MIXTURES`, by default the model's; a shared head needs none.

        Returns:
            One row per image with its ``score``; with a gate also ``head <task>``, the readout's
            ``weight <task>``, and ``distance <task>`` (the K-means gate's, mean of both stages).

        Raises:
            ConfigError: No task has been learned, or the readout is unknown.
            DataError: There is no image, one cannot be read, or its values are out of range.
        """
        self.check_readout(readout)
        reading = self.read(shrink(image, self.shorter_side) for image in as_images(images))
        return self.table(reading, readout)

    def check_readout(self, readout: str | None) -> None:
        """Raise a ConfigError if a readout is unknown, or not possible with this model."""
        one = np.ones((1, 1))
        able = self.gate is None or self.analytic
        readout_weights(readout or self.readout, one, one if able else None)
        if readout and self.gate is None:
            raise ConfigError("the model has one head for all tasks, so no readout to choose")

    def table(self, reading: Reading, readout: str | None = None) -> pd.DataFrame:
        """Mix what was read of N images; the columns are those of :meth:`explain`."""
        readout = self.readout if readout is None else readout
        heads = reading.heads
        if self.gate is None:
            return pd.DataFrame({"score": heads[:, 0].astype(np.float64)})
        weights, levels = self.mixture(reading, readout)
        table = {"score": mix(heads, weights, levels)}
        far = reading.distances.mean(axis=2)
        for part, values in {"head": heads, "weight": weights, "distance": far}.items():
            table |= {f"{part} {task}": values[:, i] for i, task in enumerate(self.tasks)}
        return pd.DataFrame(table)

    def predict(self, images: Image | Iterable[Image], readout: str | None = None) -> np.ndarray:
        """Return the score of every image, float64 [N]; see :meth:`explain`."""
        return self.explain(images, readout)["score"].to_numpy()

    def state(self) -> dict[str, Tensor]:
        """Return everything learned as one flat dictionary of tensors."""
        tensors: dict[str, Tensor] = {}
        for task, stages in self.gate.centroids_.items() if self.gate else ():
            tensors |= {f"gate/{task}/{i}": torch.from_numpy(c) for i, c in enumerate(stages)}
        for task, sums in self.analytic.sums_.items() if self.analytic else ():
            tensors[f"analytic/{task}"] = torch.from_numpy(upper_triangle(sums))
        for task, head in self.heads.items():
            tensors |= {f"heads/{task}/{name}": value for name, value in head.state_dict().items()}
            tensors[f"heads/{task}/level"] = torch.tensor(self.levels[task], dtype=torch.float64)
        for task, own in self.bank.states.items():
            tensors |= {f"bank-{task}/{name}": value for name, value in own.items()}
        return tensors

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned.

        Raises:
            WeightsError: A state does not fit the network.
        """
        self.bank.states, self.heads, self.levels = {}, {}, {}
        files = grouped(state)
        for task, own in grouped(files.pop("heads", {})).items():
            self.levels[task] = Level(*own.pop("level").tolist())
            self.heads[task] = make_head(own)
        centroids = grouped(files.pop("gate", {})).items()
        if self.gate is not None:
            self.gate.centroids_ = {k: [c[i].numpy() for i in sorted(c)] for k, c in centroids}
        sums = files.pop("analytic", {}).items()
        if self.analytic is not None:
            self.analytic.sums_ = {task: symmetric(own.numpy()) for task, own in sums}
        for name, own in files.items():
            self.bank.put(name.removeprefix("bank-"), own)

    def get_extra_state(self) -> Tensor:
        """Return :meth:`state` as bytes of safetensors, for torch's own ``state_dict``."""
        whole = {name: value.cpu().contiguous() for name, value in self.state().items()}
        return torch.frombuffer(bytearray(safetensors.torch.save(whole)), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Replace everything learned by what :meth:`get_extra_state` returned."""
        self.load_state(safetensors.torch.load(state.cpu().numpy().tobytes()))

    def fingerprint(self) -> str:
        """Hash the bits of the untouched network, normalization included."""
        return fingerprint(everything(self.backbone.network) | self.bank.state(None))

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder: model.json, and one safetensors file a state."""
        save_model(self, folder)

    @classmethod
    def load(
        cls, folder: str | Path, device: str = "cpu", allow_download: bool = False
    ) -> "TSNIQA":
        """Read a model that :meth:`save` wrote; nothing in the folder is run as code.

        Args:
            folder: The model's folder, or the name of a shipped one, ``"photographs"``.
            device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
            allow_download: Let timm fetch the backbone's weights, if they came from its hub.

        Raises:
            ConfigError: There is no such device here.
            WeightsError: The folder is no such model, a file was changed, or the backbone's weights
                are missing, or not those the model was learned on.
        """
        return load_model(cls, folder, device, allow_download)
