"""The command line: one line and exit code 2 for what a user can get wrong."""

import sys

import numpy as np
import pytest
from PIL import Image

from tsniqa import cli


@pytest.fixture
def tsniqa(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tsniqa", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, error = capsys.readouterr()
        return caught.value.code, out, error

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--order", "mini-kadit"], "did you mean 'mini-kadid'? valid tasks: mini-bid,"),
        (["run", "--order", ""], "the task order is empty"),
        (["run", "--order", "mini-bid,mini-bid"], "names mini-bid twice"),
        (["run", "--preset", "minni"], "valid presets: mini, open, paper, smoke"),
        (
            ["run", "--strategy", "tsm"],
            "valid strategies: affine-only, ewc, gdumb, head-only,",
        ),
        (["run", "--device", "abacus"], "no device 'abacus' here"),
        (["run", "--backbone", "vgg"], "valid backbones: mini,"),
        (["page", "nothing"], "unknown page 'nothing'"),
        (["score", "none.jpg", "--model", "none"], "image none.jpg is missing"),
        (["search", "none.yml"], "no search file at"),
        (["data", "make", "mini-live2"], "did you mean 'mini-live'?"),
        (["data", "fetch", "koniq"], "unknown dataset 'koniq'; did you mean 'koniq-10k'?"),
        (["data", "fetch", "live"], "live"),
        (["data", "check", "csiq", "--root", "/nowhere"], "dataset 'csiq' is not under /nowhere"),
        (["data", "check", "--root", "/nowhere"], "there is no dataset under /nowhere"),
        (["run", "--set", "gate.clusters"], "'gate.clusters' is no change of a preset"),
        (["run", "--preset", "paper", "--data-root", "/nowhere"], "dataset 'live' is not under"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do_and_exit_code_2(tsniqa, arguments, message):
    code, out, error = tsniqa(*arguments)
    assert code == 2
    assert out == ""
    assert message in error
    assert error.startswith("tsniqa: ")
    assert error.count("\n") == 1


def test_a_folder_that_is_no_model_is_said_to_be_none(tsniqa, tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    code, _, error = tsniqa("score", tmp_path / "a.png", "--model", tmp_path)
    assert code == 2
    assert f"no saved model in {tmp_path}" in error


def test_the_list_names_everything_there_is(tsniqa):
    code, out, _ = tsniqa("list")
    assert code == 0
    for name in ("mini", "smoke", "tsn", "sequential", "mini-kadid", "mobilenetv2"):
        assert name in out


def test_every_command_has_help(tsniqa):
    commands = ["run", "page", "score", "add", "search", "bench", "compare-records", "list"]
    data = ["data list", "data check", "data fetch", "data make"]
    for command in [*commands, *data]:
        code, out, _ = tsniqa(*command.split(), "--help")
        assert code == 0
        assert "Usage: tsniqa" in out


def test_the_catalogue_is_listed_with_what_is_here(tsniqa, tmp_path, dataset):
    dataset(tmp_path / "csiq")
    code, out, _ = tsniqa("data", "list", "--data-root", tmp_path)
    assert code == 0
    assert f"yes: {tmp_path / 'csiq'}" in out
    assert out.count("  here         no") == out.count("  here ") - 1


def test_a_check_that_finds_something_wrong_exits_with_1(tsniqa, tmp_path, dataset):
    folder = dataset(tmp_path / "mine")
    code, out, _ = tsniqa("data", "check", "mine", "--root", tmp_path)
    assert code == 0
    assert "32 rated images, 32 in order; nothing is wrong" in out
    (folder / "images" / "004.png").unlink()
    code, out, _ = tsniqa("data", "check", "--root", tmp_path)
    assert code == 1
    assert "wrong: " in out
    assert "image images/004.png is missing; restore the file" in out
