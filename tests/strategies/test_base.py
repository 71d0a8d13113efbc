"""What holds for every strategy, or for many of them alike."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tsniqa.errors import ConfigError
from tsniqa.model.normalization import SELECTIONS, normalization_layers
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.strategies import FAMILIES, STRATEGIES, find_strategy
from tsniqa.strategies import multihead as multihead_module
from tsniqa.strategies import replay_shared as shared_module
from tsniqa.strategies.from_file import load_strategy

# The book's example is not part of the package; it must hold all the same.
EXAMPLE = load_strategy(Path(__file__).parents[2] / "book" / "examples" / "l2_to_last.py")
EXAMPLES = {EXAMPLE.name: EXAMPLE}

GATE = 5 * (24 + 32) + 25 * 26 // 2  # centroids, and the sums of the analytic gate
ORDER = ("gamma", "beta", "alpha")
OWN = {
    "overrides": {"schedule.head.epochs": 2}
    | {f"schedule.{step}.epochs": 1 for step in ("normalization", "full")}
    | {f"schedule.{step}.bn_statistics": "batch" for step in ("normalization", "full")},
    "memory": 20,  # images, where each task has 16
}

PUBLISHED = {
    "tsn-adapters": 2.0, "piggyback": 1e-4, "unique": 1.0, "lwf": 10.0, "ewc": 10_000.0,
    "si": 1_000.0, "mas": 10.0, "icarl-v1": 10.0, "icarl-v2": 10.0,
}  # fmt: skip
SINGLE = ("sequential", "replay-shared", "gdumb", "joint", "unique")
READOUTS = dict.fromkeys(SINGLE, "single") | {"icarl-v2": "half", "separate": "oracle"}


@pytest.fixture(params=[*sorted(STRATEGIES), *EXAMPLES])
def method(request):
    return request.param


@pytest.fixture
def learned(once):
    """Three tasks learned by a strategy, for tests that change nothing."""
    return lambda name: once(EXAMPLES.get(name, name), ORDER, **OWN)


@pytest.fixture
def lessons(method, learned):
    return learned(method)


def test_names_weights_and_readouts_are_those_that_are_documented():
    assert list(STRATEGIES) == [one.name for members in FAMILIES.values() for one in members]
    fixed = {one.select for name, one in STRATEGIES.items() if name != "tsn-adapters"}
    assert fixed < SELECTIONS.keys()
    apart = {one.name for one in (*FAMILIES["isolation"], STRATEGIES["separate"])}
    for name, strategy in STRATEGIES.items():
        assert strategy.default_weight == PUBLISHED.get(name)
        assert strategy.main_readout == READOUTS.get(name, "gated")
        assert strategy.gated == (name not in SINGLE)
        assert strategy.order_dependent == (name not in apart)
        assert strategy.all_at_once == (name in ("joint", "unique"))


def test_an_unknown_strategy_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"unknown strategy 'sequencial'; did you mean"):
        find_strategy("sequencial")


def test_scores_lie_between_minus_one_and_one_a_column_a_head(lessons):
    strategy = lessons.strategy
    names, scores, distances = strategy.model.tasks, lessons.scores(), lessons.distances()
    assert names == (["alpha", "beta", "gamma"] if strategy.gated else ["shared"])
    assert scores.shape == (6, len(names))
    assert scores.dtype == np.float32
    assert np.abs(scores).max() <= 1 + 1e-6
    assert np.array_equal(lessons.scores(names=names[:1]), scores[:, :1])
    assert distances.shape == (6, 3, 2) if strategy.gated else distances is None


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(method, lessons, learn, equal):
    """So the seed alone decides, too: no global stream of random numbers matters."""
    resumed, whole = learn(EXAMPLES.get(method, method), (), **OWN), lessons.state
    before = lessons.states[max(0, len(lessons.states) - 2)]
    assert all(v.device.type == "cpu" and v.is_contiguous() for v in before.values())
    resumed.strategy.load_state(before)
    assert equal(resumed.state, before)
    torch.manual_seed(1234)
    if not lessons.strategy.all_at_once:
        resumed.tasks = lessons.tasks[:2]
        resumed.go_on(lessons.tasks[2])
    assert equal(resumed.state, whole)
    resumed.tasks = lessons.tasks
    assert np.array_equal(resumed.scores(), lessons.scores())
    assert not lessons.strategy.gated or np.array_equal(resumed.distances(), lessons.distances())
    assert resumed.strategy.parameters() == lessons.strategy.parameters()


@pytest.mark.parametrize("name", ["tsn", "piggyback", "ridge", "multihead", "joint", "unique"])
def test_the_same_seed_learns_the_same_bits_and_another_seed_others(name, learn, learned, equal):
    order = ORDER if STRATEGIES[name].all_at_once else ORDER[:1]
    first = learned(name).states[0]
    torch.manual_seed(1234)  # no global stream may matter
    assert equal(first, learn(name, order, **OWN).state)
    # Ridge draws nothing at all, where the gate starts from Ward's clusters.
    assert equal(first, learn(name, order, seed=1, **OWN).state) == (name == "ridge")


def test_the_saved_model_scores_as_the_strategy_did(lessons, world, tmp_path, monkeypatch):
    monkeypatch.setenv("TSNIQA_WEIGHTS", str(world.card.parent))
    lessons.strategy.save(tmp_path / "model")
    loaded = TSNIQA.load(tmp_path / "model")
    images = lessons.context.images(lessons.tasks[1], "test").images
    for found, known in zip(loaded.read(images), lessons.model.read(images), strict=True):
        assert (found is None) if known is None else np.array_equal(found, known)
    assert loaded.levels == lessons.model.levels
    assert loaded.profiles == lessons.model.profiles


@pytest.mark.slow
def test_a_new_process_scores_a_photo_alike(learned, world, tmp_path, monkeypatch):
    monkeypatch.setenv("TSNIQA_WEIGHTS", str(world.card.parent))
    models = {name: learned(name) for name in ("lwf", "piggyback", "joint", "ridge")}
    for name, lessons in models.items():
        lessons.strategy.save(tmp_path / name)
    photo = world.task("alpha").paths("test")[0]
    code = (
        "import sys; from tsniqa import TSNIQA; photo, *models = sys.argv[1:]\n"
        "for model in models: print(TSNIQA.load(model).predict(photo)[0].hex())"
    )
    command = [sys.executable, "-c", code, photo, *(tmp_path / name for name in models)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    expected = [lessons.model.predict(photo)[0] for lessons in models.values()]
    assert [float.fromhex(score) for score in said.stdout.split()] == expected


def test_levels_name_the_heads_whose_scores_change(lessons, equal):
    strategy, results = lessons.strategy, lessons.results
    assert results[0].history[0].step == "head"
    assert results[0].history[0].epoch == 0
    if not strategy.gated:
        assert all(result.levels == {"shared": (0.0, 1.0)} for result in results)
    elif strategy.order_dependent:
        assert [set(result.levels) for result in results] == [set(ORDER[:n]) for n in (1, 2, 3)]
    else:  # what is learned of a task does not depend on there being others
        assert [set(result.levels) for result in results] == [{name} for name in ORDER]
        alone, *_, together = lessons.states
        assert equal(alone, {name: together[name] for name in alone})


def test_the_reference_network_stays_as_it_was_and_every_network_is_frozen(lessons, world):
    strategy, reference = lessons.strategy, world.backbone().network.state_dict()
    for name, value in lessons.context.backbone.network.state_dict().items():
        assert torch.equal(value, reference[name]), name
    network = strategy.backbone.network
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())
    if strategy.name not in ("tsn-shared-prefix", "tsn-adapters"):
        assert network.state_dict().keys() == reference.keys()
    same = strategy.filters_fingerprint() == world.backbone().filters_fingerprint()
    assert same != strategy.order_dependent  # only what isolates leaves the filters behind


@pytest.mark.parametrize("name", ["tsn", "piggyback", "ridge", "joint", "unique", "gdumb"])
def test_no_order_of_tasks_changes_a_bit(name, learn, learned, equal):
    assert equal(learn(name, ("beta", "alpha", "gamma"), **OWN).state, learned(name).state)


def test_elsewhere_the_order_matters(learn, learned, equal):
    other = learn("sequential", ("beta", "gamma"), **OWN)
    assert not equal(other.state, learned("sequential").states[1])


def test_a_task_costs_what_its_parts_count(lessons, world):
    strategy = lessons.strategy
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
    filters = [value for value in network.parameters() if value.ndim == 4]  # dense, all of them
    adapters = 2 * sum(len(one) + one[0].numel() for one in filters)
    heads = {"ridge": 32 + 1, "unique": 32 + 33}
    trained, owned = {
        "tsn": (affine, 2 * affine),  # two statistics beside gamma and beta
        "tsn-shared-prefix": (behind, 2 * behind),
        "tsn-depthwise": (affine, 2 * affine),  # this network has no such filters
        "tsn-adapters": (affine + adapters, 2 * affine + adapters),
        "statistics-only": (0, affine),
        "affine-only": (affine, affine),
        "head-only": (0, 0),
        "ridge": (0, 0),
        "piggyback": (masks, -(-masks // 32)),
        "separate": (every, every + affine),
    }.get(strategy.name, (every, 0))
    head = heads.get(strategy.name, 32)
    count = strategy.parameters()
    assert count.learnable_per_task == trained + head
    assert count.stored_per_task == (owned + head + GATE if strategy.gated else 0)


@pytest.mark.parametrize("name", ["sequential", "lwf", "unique"])
def test_the_weight_is_the_contexts_or_the_published_one(name, world):
    context, method = world.plan().context, find_strategy(name)
    assert method(context).weight == method.default_weight
    context.weight = 0.25
    assert method(context).weight == 0.25


PLAIN = dict.fromkeys(("lwf", "ewc", "si", "mas", "icarl-v1", "icarl-v2"), "multihead")
PLAIN |= {"replay-multihead": "multihead", "l2-to-last": "multihead"}
PLAIN |= {"replay-shared": "sequential", "gdumb": "sequential"}


@pytest.mark.parametrize("name", PLAIN)
def test_the_first_task_is_learned_as_without_a_defence(name, learned, equal):
    plain, lessons = learned(PLAIN[name]), learned(name)
    assert equal(lessons.states[0], plain.states[0], but="carried/")
    curves = [[e.loss for e in one.results[0].history] for one in (plain, lessons)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("name", ["lwf", "ewc", "si", "icarl-v1", "l2-to-last"])
def test_without_weight_it_is_multi_head_fine_tuning(name, learn, once, equal):
    """Distilled heads learn along and are left by Adam's weight decay alone: they may differ.

    Statistics are kept: a batch of remembered images that passes by would add its own.
    """
    kept = {"overrides": {"schedule.full.bn_statistics": "kept"}}
    plain = once("multihead", ORDER[:2], **kept)
    lessons = learn(EXAMPLES.get(name, name), ORDER[:2], weight=0.0, **kept)
    but = ("carried/", "heads/gamma") if name in ("lwf", "icarl-v1") else "carried/"
    assert equal(lessons.state, plain.state, but=but)


@pytest.mark.parametrize(
    ("name", "module"), [("replay-multihead", multihead_module), ("replay-shared", shared_module)]
)
def test_without_memory_it_is_what_it_defends(name, module, learn, learned, equal, monkeypatch):
    with_memory = learned(name).states[1]
    monkeypatch.setattr(module, "remembered", lambda context, tasks: [])
    state = learn(name, ORDER[:2], **OWN).state
    assert equal(state, learned(PLAIN[name]).states[1])
    assert not equal(state, with_memory)


@pytest.mark.parametrize("name", ["lwf", "icarl-v1", "icarl-v2", "replay-multihead"])
def test_old_heads_learn_along_and_come_back(name, learned):
    lessons = learned(name)
    before, after = (state["heads/gamma/weight"] for state in lessons.states[:2])
    assert not torch.equal(before, after)
    head = lessons.model.heads["gamma"].weight
    assert head.device.type == "cpu"
    assert head.requires_grad
