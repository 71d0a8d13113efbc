"""The engine: a model's networks run by an inference library, one network for every state.

Normalization is folded into the convolutions, and nothing is computed that neither a head nor a
gate reads. ONNX Runtime is always there; OpenVINO, if it is installed, is faster. PyTorch stays the
reference: :meth:`.TSNIQA.read` says the same to 1e-5 with and without an engine.
"""

import logging
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tsniqa.errors import ConfigError, one_line
from tsniqa.model.backbone import Features
from tsniqa.model.tsniqa import TSNIQA, Compute
from tsniqa.scoring.onnx_graph import FEATURES, feature_graph, with_state

Library = Literal["onnxruntime", "openvino"]
Precision = Literal["f32", "bf16"]
Network = Callable[[np.ndarray], list[np.ndarray]]
"""Maps preprocessed images, float32 [N, 3, H, W], to what its graph puts out."""

ENOUGH = 16
"""From so many images on an engine is worth its start.

With seven networks that takes two seconds (OpenVINO: four), and saves .4 s on a photograph of
500 x 500 pixels, on one core.
"""
TOLERANCE = {"f32": 1e-5, "bf16": 2e-2}
"""How far features may be from those of PyTorch, by the numbers that are computed with."""
_LOG = logging.getLogger(__name__)


class Engine:
    """Passes images through a model's networks, on the CPU, with as many threads as torch has.

    The networks are made when they are first needed. Each is a copy: memory grows with the number
    of states that are used. What the model learns later is not seen.

    Attributes:
        model: The model.
        library, precision: What runs its networks, and with which numbers.
    """

    def __init__(
        self, model: TSNIQA, library: Library | None = None, precision: Precision = "f32"
    ) -> None:
        """Write the model's network as a graph, and compare what it says with PyTorch.

        Args:
            model: The model, on the CPU.
            library: What is to run it; by default OpenVINO if it is installed.
            precision: ``bf16`` is for OpenVINO on a processor that has it; others compute ``f32``.

        Raises:
            ConfigError: The network cannot be written as ONNX, or says something else then.
        """
        self.model = model
        self.library = library or ("openvino" if find_spec("openvino") else "onnxruntime")
        self.precision = precision
        self._graph = feature_graph(model.backbone, model.bank.initial)
        self._networks: dict[str | None, Network] = {}
        heads = ["head"] if None in map(model.owner, model.tasks) else []
        self._read_untouched = [*(FEATURES[:2] if model.gate else []), *heads]
        self._compare()

    def features(self, images: Tensor, owners: Iterable[str | None]) -> dict[str | None, Features]:
        """Do the same as :meth:`.TSNIQA.features`; what the model does not read has width 0."""
        inputs = self.model.backbone.preprocess(images).contiguous().numpy()
        return {owner: self._pass(inputs, owner) for owner in owners}

    def _pass(self, inputs: np.ndarray, owner: str | None) -> Features:
        outputs = self._outputs(owner)
        if owner not in self._networks:
            graph = with_state(self._graph, self.model.bank.state(owner), outputs)
            try:
                self._networks[owner] = _LIBRARIES[self.library](graph, self.precision)
            except Exception as error:  # each library has its own, of no common kind
                reason = one_line(error)[:200]
                raise ConfigError(f"{self.library} cannot run the network: {reason}") from error
        found = dict(zip(outputs, self._networks[owner](inputs), strict=True))
        absent = np.empty((len(inputs), 0), dtype=np.float32)
        third, fourth, head = (torch.from_numpy(found.get(name, absent)) for name in FEATURES)
        return Features((third, fourth), head)

    def _outputs(self, owner: str | None) -> list[str]:
        return self._read_untouched if owner is None else ["head"]

    def _compare(self) -> None:
        """Raise a ConfigError if an image of another size than the traced one is read otherwise."""
        images = torch.rand(2, 3, 97, 131, generator=torch.Generator().manual_seed(0))
        owner = next(iter(self.model.states_for(self.model.tasks)))
        with torch.inference_mode():
            ours, theirs = (
                one(images, [owner])[owner] for one in (self.features, self.model.features)
            )
        for one, two in zip((*ours.gate, ours.head), (*theirs.gate, theirs.head), strict=True):
            if one.shape[1] and not (one - two.cpu()).abs().max() <= TOLERANCE[self.precision]:
                raise ConfigError(f"{self.library} reads images otherwise than PyTorch")


def find_compute(model: TSNIQA, images: int) -> Compute | None:
    """Make an engine for a number of images, if it is worth it; None leaves them to PyTorch.

    It is not on a GPU, nor for a handful of images. A network that cannot be written as ONNX is
    named in the log.
    """
    if images < ENOUGH or model.backbone.device.type != "cpu":
        return None
    try:
        return Engine(model).features
    except ConfigError as error:
        _LOG.info("%s; scoring by PyTorch", error)
        return None


def _onnxruntime(graph: bytes, _: Precision) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # which would keep what it needs, a network each
    # Networks take turns: threads of one that wait awake would take the cores from the next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {"x": inputs})


def _openvino(graph: bytes, precision: Precision) -> Network:
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    network = core.compile_model(core.read_model(graph), "CPU", options)
    request = network.create_infer_request()

    def run(inputs: np.ndarray) -> list[np.ndarray]:
        request.infer([inputs], share_inputs=True)
        found = [output.data.copy() for output in request.output_tensors]
        network.release_memory()  # else every network keeps what its largest image needed
        return found

    return run


_LIBRARIES: dict[str, Callable[[bytes, Precision], Network]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
