"""What holds for every strategy, or for many of them alike."""

import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from tsniqa.errors import ConfigError
from tsniqa.model.normalization import SELECTIONS, normalization_layers
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.strategies import FAMILIES, STRATEGIES, find_strategy
from tsniqa.strategies import replay_multihead as multihead_module
from tsniqa.strategies import replay_shared as shared_module
from tsniqa.strategies.from_file import load_strategy

# The book's examples are not part of the package; they must hold all the same.
FILES = sorted((Path(__file__).parents[2] / "book" / "examples").glob("*.py"))
EXAMPLES = {strategy.name: strategy for strategy in map(load_strategy, FILES)}

BATCH = {f"schedule.{step}.statistics": "batch" for step in ("normalization", "full")}
GATE = 5 * (24 + 32)

SHARED = {"gated": False, "main_readout": "single"}
APART = {"order_dependent": False}
CHANGES = {
    "tsn": APART | {"select": "normalization"},
    "tsn-shared-prefix": APART | {"select": "normalization"},
    "affine-only": APART | {"select": "affine"},
    "head-only": APART | {"select": "nothing"},
    "ridge": APART | {"select": "nothing"},
    "piggyback": APART | {"select": "masks", "default_weight": 1e-4},
    "sequential": SHARED,
    "multihead": {},
    "lwf": {"default_weight": 10.0},
    "ewc": {"default_weight": 10_000.0},
    "si": {"default_weight": 1_000.0},
    "mas": {"default_weight": 10.0},
    "replay-shared": SHARED,
    "replay-multihead": {},
    "icarl-v1": {"default_weight": 10.0},
    "icarl-v2": {"default_weight": 10.0, "main_readout": "half"},
    "gdumb": SHARED,
    "joint": SHARED | {"all_at_once": True},
    "unique": SHARED | {"all_at_once": True, "default_weight": 1.0},
    "separate": APART | {"main_readout": "oracle"},
}
USUAL = {
    "select": "everything", "gated": True, "all_at_once": False, "order_dependent": True,
    "main_readout": "gated", "default_weight": None,
}  # fmt: skip

ISOLATING = sorted(name for name, changed in CHANGES.items() if changed.items() >= APART.items())


@pytest.fixture(params=[*sorted(STRATEGIES), *EXAMPLES])
def method(request):
    return STRATEGIES.get(request.param) or EXAMPLES[request.param]


def test_names_and_flags_are_those_that_are_documented():
    found = {
        name: {flag: getattr(strategy, flag) for flag in USUAL}
        for name, strategy in STRATEGIES.items()
    }
    assert found == {name: USUAL | changed for name, changed in CHANGES.items()}
    assert list(STRATEGIES) == [one.name for members in FAMILIES.values() for one in members]
    assert {strategy.select for strategy in STRATEGIES.values()} < SELECTIONS.keys()


def test_an_unknown_strategy_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"unknown strategy 'sequencial'; did you mean"):
        find_strategy("sequencial")


def test_scores_lie_between_minus_one_and_one_a_column_a_head(method, learn):
    lessons = learn(method)
    names, scores, distances = lessons.strategy.head_names, lessons.scores(), lessons.distances()
    assert names == (["alpha", "beta"] if method.gated else ["shared"])
    assert scores.shape == (6, len(names))
    assert scores.dtype == np.float32
    assert np.abs(scores).max() <= 1 + 1e-6
    assert np.array_equal(lessons.scores(names=names[:1]), scores[:, :1])
    assert distances.shape == (6, 2, 2) if method.gated else distances is None


def test_the_same_seed_learns_the_same_bits_and_another_seed_others(method, learn, equal):
    first = learn(method, ("alpha",)).state
    torch.manual_seed(1234)  # no global stream may matter
    assert equal(first, learn(method, ("alpha",)).state)
    assert not equal(first, learn(method, ("alpha",), seed=1).state)


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(method, learn, equal):
    """With a memory of 20 images, where each task has 16."""
    own = {"overrides": BATCH, "to_the_end": True, "memory": 20}
    order = ("gamma", "beta", "alpha")
    whole, part = learn(method, order, **own), learn(method, order[:2], **own)
    state = part.state
    assert all(v.device.type == "cpu" and v.is_contiguous() for v in state.values())
    resumed = learn(method, (), **own)
    resumed.strategy.load_state(state)
    assert equal(resumed.state, state)
    assert resumed.strategy.head_names == part.strategy.head_names
    if method.all_at_once:
        return
    resumed.tasks = part.tasks
    resumed.go_on(whole.tasks[2])
    assert equal(resumed.state, whole.state)
    assert equal(part.state, state)  # what was stored is nobody's to change
    assert np.array_equal(resumed.scores(), whole.scores())
    if method.gated:
        assert np.array_equal(resumed.distances(), whole.distances())
    assert resumed.strategy.parameters() == whole.strategy.parameters()


def test_the_saved_model_scores_as_the_strategy_did(method, learn, world, tmp_path, monkeypatch):
    monkeypatch.setenv("TSNIQA_WEIGHTS", str(world.card.parent))
    lessons = learn(method, overrides=BATCH, to_the_end=True)
    lessons.strategy.save(tmp_path / "model")
    loaded = TSNIQA.load(tmp_path / "model")
    images = lessons.context.images(lessons.tasks[1], "test").images
    (heads, distances), (expected, known) = loaded.read(images), lessons.model.read(images)
    assert np.array_equal(heads, expected)
    assert (distances is None) if known is None else np.array_equal(distances, known)
    assert loaded.offsets == lessons.model.offsets


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lwf", "piggyback", "joint", "ridge"])
def test_a_new_process_scores_a_photo_alike(name, learn, world, tmp_path, monkeypatch):
    monkeypatch.setenv("TSNIQA_WEIGHTS", str(world.card.parent))
    lessons = learn(name)
    lessons.strategy.save(tmp_path / "model")
    photo = lessons.tasks[0].paths("test")[0]
    code = (
        "import sys; from tsniqa import TSNIQA;"
        "print(TSNIQA.load(sys.argv[1]).predict(sys.argv[2])[0].hex())"
    )
    command = [sys.executable, "-c", code, tmp_path / "model", photo]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert float.fromhex(said.stdout) == lessons.model.predict(photo)[0]


def test_offsets_name_the_heads_whose_scores_change(method, learn, world):
    lessons = learn(method, ("alpha",), to_the_end=True)
    before = lessons.scores()[:, 0]
    assert lessons.results[0].history[0].step == "head"
    assert lessons.results[0].history[0].epoch == 0
    if method.all_at_once:
        assert lessons.results[0].offsets == {"shared": 0.0}
        return
    changed = lessons.go_on(world.task("beta")).offsets
    heads = {"alpha", "beta"} if method.gated else {"shared"}
    assert changed.keys() == (heads if method.order_dependent else {"beta"})
    if "alpha" not in changed and method.gated:
        assert np.array_equal(lessons.scores(names=["alpha"])[:, 0], before)


def test_the_reference_network_stays_as_it_was_and_every_network_is_frozen(method, learn, world):
    lessons = learn(method, overrides=BATCH, to_the_end=True)
    reference = world.backbone().network.state_dict()
    for name, value in lessons.context.backbone.network.state_dict().items():
        assert torch.equal(value, reference[name]), name
    network = lessons.strategy.backbone.network
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())
    if method.name != "tsn-shared-prefix":
        assert network.state_dict().keys() == reference.keys()
    same = lessons.strategy.filters_fingerprint() == world.backbone().filters_fingerprint()
    assert same != method.order_dependent  # only what isolates leaves the filters behind


@pytest.mark.parametrize("name", [*ISOLATING, "joint", "unique", "gdumb"])
def test_no_order_of_tasks_changes_a_bit(name, learn, equal):
    orders = list(permutations(("alpha", "beta", "gamma")))[::5]
    states = [learn(name, order, overrides=BATCH, memory=20).state for order in orders]
    assert all(equal(states[0], state) for state in states[1:])


def test_elsewhere_the_order_matters(learn, equal):
    assert not equal(
        learn("sequential").state, learn("sequential", ("beta", "alpha")).state, but="gate/"
    )


@pytest.mark.parametrize("name", ISOLATING)
def test_what_is_learned_of_a_task_does_not_depend_on_there_being_others(name, learn):
    alone, together = learn(name, ("beta",)).state, learn(name).state
    assert all(torch.equal(value, together[key]) for key, value in alone.items())


def test_a_task_costs_what_its_parts_count(method, learn, world):
    strategy = learn(method, ("alpha",)).strategy
    network = world.backbone().network
    sizes = {name: value.numel() for name, value in network.named_parameters()}
    layers = tuple(normalization_layers(network))
    affine = sum(size for name, size in sizes.items() if name.startswith(layers))
    masks = sum(size for name, size in sizes.items() if not name.startswith(layers))
    every = sum(sizes.values())
    behind = sum(
        size for name, size in sizes.items()
        if name.startswith(layers) and name.startswith(("layer3", "layer4"))
    )  # fmt: skip
    heads = {"ridge": 24 + 32 + 32 + 1, "unique": 32 + 33}
    trained, owned = {
        "tsn": (affine, 2 * affine),  # two statistics beside gamma and beta
        "tsn-shared-prefix": (behind, 2 * behind),
        "affine-only": (affine, affine),
        "head-only": (0, 0),
        "ridge": (0, 0),
        "piggyback": (masks, -(-masks // 32)),
        "separate": (every, every + affine),
    }.get(method.name, (every, 0))
    head = heads.get(method.name, 32)
    count = strategy.parameters()
    assert count.learnable_per_task == trained + head
    assert count.stored_per_task == (owned + head + GATE if method.gated else 0)


def test_the_weight_is_the_contexts_or_the_published_one(method, world):
    context = world.plan().context
    assert method(context).weight == method.default_weight
    context.weight = 0.25
    assert method(context).weight == 0.25


PLAIN = dict.fromkeys(("lwf", "ewc", "si", "mas", "icarl-v1", "icarl-v2"), "multihead")
PLAIN |= {"replay-multihead": "multihead", "l2-to-last": "multihead"}
PLAIN |= dict.fromkeys(("replay-shared", "gdumb", "joint"), "sequential")


@pytest.mark.parametrize("name", PLAIN)
def test_the_first_task_is_learned_as_without_a_defence(name, learn, equal):
    method = EXAMPLES.get(name, name)
    plain, lessons = learn(PLAIN[name], ("alpha",)), learn(method, ("alpha",))
    assert equal(lessons.state, plain.state, but="carried/")
    curves = [[e.validation_srcc for e in one.results[0].history] for one in (plain, lessons)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("name", ["lwf", "ewc", "si", "mas", "icarl-v1", "l2-to-last"])
def test_without_weight_it_is_multi_head_fine_tuning(name, learn, equal):
    """Distilled heads learn along and are left by Adam's weight decay alone: they may differ."""
    plain = learn("multihead", to_the_end=True)
    lessons = learn(EXAMPLES.get(name, name), to_the_end=True, weight=0.0)
    but = ("carried/", "heads/alpha") if name in ("lwf", "icarl-v1") else "carried/"
    assert equal(lessons.state, plain.state, but=but)


@pytest.mark.parametrize(
    ("name", "module"), [("replay-multihead", multihead_module), ("replay-shared", shared_module)]
)
def test_without_memory_it_is_what_it_defends(name, module, learn, equal, monkeypatch):
    with_memory = learn(name, to_the_end=True).state
    monkeypatch.setattr(module, "remembered", lambda context, tasks: [])
    lessons = learn(name, to_the_end=True)
    assert equal(lessons.state, learn(PLAIN[name], to_the_end=True).state)
    assert not equal(lessons.state, with_memory)


@pytest.mark.parametrize("name", ["lwf", "icarl-v1", "icarl-v2", "replay-multihead"])
def test_old_heads_learn_along_and_come_back(name, learn, world):
    lessons = learn(name, ("alpha",), to_the_end=True)
    kept = lessons.model.heads["alpha"].weight.detach().clone()
    lessons.go_on(world.task("beta"))
    head = lessons.model.heads["alpha"].weight
    assert not torch.equal(head, kept)
    assert head.device.type == "cpu"
    assert head.requires_grad
