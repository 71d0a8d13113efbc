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
        (["run", "--preset", "minni"], "valid presets: mini, open, smoke"),
        (["run", "--strategy", "tsm"], "valid strategies: head-only, joint, separate"),
        (["run", "--device", "abacus"], "no device 'abacus' here"),
        (["run", "--backbone", "vgg"], "valid backbones: mini,"),
        (["page", "nothing"], "unknown page 'nothing'"),
        (["score", "none.jpg", "--model", "none"], "image none.jpg is missing"),
        (["search", "none.yml"], "no search file at"),
        (["data", "make", "mini-live2"], "did you mean 'mini-live'?"),
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
    for command in ("run", "page", "score", "add", "search", "bench", "compare-records", "list"):
        code, out, _ = tsniqa(command, "--help")
        assert code == 0
        assert "Usage: tsniqa" in out
