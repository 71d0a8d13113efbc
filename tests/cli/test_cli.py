"""The command line: one line and exit code 2 for what a user can get wrong."""

import csv
import errno
import json
import shutil
from importlib.metadata import version

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from tsniqa import cli
from tsniqa.book import pages
from tsniqa.book.parameters import checked
from tsniqa.model.tsniqa import TSNIQA


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--order", "mini-kadit"], "did you mean 'mini-kadid'? valid tasks: mini-bid,"),
        (["run", "--order", ""], "the task order is empty"),
        (["run", "--order", "mini-bid,mini-bid"], "names mini-bid twice"),
        (["run", "--order", "odd\udcff"], r"names 'odd\udcff', no text; rename its folder"),
        (["run", "--order", "mini-bid,,mini-live"], "has an empty name; put one comma"),
        (["run", "--seed", "-1"], "seed: Input should be greater than or equal to 0"),
        (["run", "--preset", "minni"], "valid presets: mini, open, open-resnet18, paper, smoke"),
        (
            ["run", "--strategy", "tsm"],
            "did you mean 'tsn'? valid strategies: affine-only, ewc, gdumb, head-only,",
        ),
        (["run", "--device", "abacus"], "no device 'abacus' here"),
        (["run", "--backbone", "vgg"], "valid backbones: convnext-atto, efficientnet-lite0,"),
        (["campaign", "minni"], "unknown preset 'minni'; did you mean 'mini'?"),
        (["campaign", "mini", "--seeds", "0,one"], "seed: Input should be a valid integer"),
        (["page", "nothing"], "unknown page 'nothing'"),
        (["score", "none.jpg", "--model", "none"], "no saved model in"),
        (["sweep", "none.yml"], "no sweep file at"),
        (["data", "make", "mini-live2"], "did you mean 'mini-live'?"),
        (["data", "fetch", "koniq"], "unknown dataset 'koniq'; did you mean 'koniq-10k'?"),
        (["data", "fetch", "live"], "dataset 'live' has no open download; see https://live.ece"),
        (["data", "check", "csiq", "--root", "/nowhere"], "dataset 'csiq' is not under /nowhere"),
        (["data", "check", "--root", "/nowhere"], "there is no dataset under /nowhere"),
        (["run", "--set", "name=../../x"], "unknown override 'name'; valid overrides: backbone,"),
        (["run", "--set", "threads=100000"], "threads: Input should be less than or equal to 256"),
        (["run", "--set", "schedule.head=3"], "schedule.head: Input should be a valid"),
        (["run", "--set", "schedule.head.weight_decay=[]"], "schedule.head.weight_decay"),
        (["page", "start", "--preset", "minni"], "unknown preset 'minni'; did you mean 'mini'?"),
        (
            ["run", "--order", "mini-bid", "--results-dir", "/proc/x"],
            "records cannot be written",
        ),
        (["run", "--set", "threads=null"], "threads: Input should be a valid integer"),
        (["run", "--set", "gate.temperature=.inf"], "Input should be a finite number"),
        (["run", "--set", "schedule.head.learning_rate=.nan"], "learning_rate: Input should be"),
        (["run", "--set", "schedule.full.crop=100000"], "less than or equal to 2048"),
        (["run", "--device", "meta"], "no device 'meta' here"),
        (
            ["run", "--order", "mini-bid", "--results-dir", "/dev/null/x"],
            "records cannot be written",
        ),
        (["run", "--set", "gate.n_clusters"], "'gate.n_clusters' is no change of a preset"),
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("café: x\n".encode("latin-1"), "is not a YAML mapping in UTF-8"),
        (b"- a\n- list\n", "is not a YAML mapping"),
        (
            b"{model: vit_tiny_patch16_224, weights: none, mean: [0, 0, 0], std: [1, 1, 1]}",
            "yields no features at stages (-2, -1)",
        ),
        (
            b"{model: resnet10t, weights: none, mean: [0, 0, 0], std: [1, 1, 1],"
            b" arguments: {checkpoint_path: x}}",
            "checkpoint_path may not be set; allowed: act_layer",
        ),
    ],
)
def test_a_card_counts_from_the_current_folder_and_its_mistake_is_one_line(
    tsniqa, world, tmp_path, monkeypatch, content, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yml").write_bytes(content)
    options = ["--preset", "smoke", "--order", "alpha", "--data-root", world.data_root]
    code, _, error = tsniqa("run", *options, "--results-dir", "here", "--backbone", "own.yml")
    assert code == 2
    assert str(tmp_path / "own.yml") in error or "backbone 'own'" in error
    assert message in error
    assert error.count("\n") == 1


def test_the_command_says_its_version_and_helps_in_two_spellings(tsniqa):
    assert tsniqa("--version") == (0, f"{version('tsniqa')}\n", "")
    for arguments in ([], ["score"]):
        assert tsniqa(*arguments, "-h") == tsniqa(*arguments, "--help")


def test_what_the_machine_refuses_is_one_line(tsniqa, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

    monkeypatch.setattr(cli, "app", full)
    code, _, error = tsniqa("list")
    assert code == 2
    assert error == (
        "tsniqa: No space left on device (/data/x); make room, or name another place\n"
    )


def test_the_list_names_everything_there_is(tsniqa):
    code, out, _ = tsniqa("list")
    assert code == 0
    for name in ("mini", "smoke", "tsn", "sequential", "mini-kadid", "mobilenetv2"):
        assert name in out


def test_every_command_has_help(tsniqa):
    def named(command, words=()):
        yield words
        for name, one in getattr(command, "commands", {}).items():
            yield from named(one, (*words, name))

    commands = list(named(get_command(cli.app)))
    assert {("run",), ("data", "check"), ("model", "verify"), ("gates",)} < set(commands)
    for command in commands:
        code, out, _ = tsniqa(*command, "--help")
        assert code == 0
        assert "Usage: tsniqa" in out


def test_the_catalogue_is_listed_with_what_is_here(tsniqa, tmp_path, dataset):
    dataset(tmp_path / "csiq")
    code, out, _ = tsniqa("data", "list", "--data-root", tmp_path)
    assert code == 0
    assert f"yes: {tmp_path / 'csiq'}" in out
    assert out.count("  here         no") == out.count("  here ") - 1


def test_a_folder_whose_name_is_no_text_is_checked_and_shown_by_its_bytes(
    tsniqa, tmp_path, dataset
):
    try:
        dataset(tmp_path / "odd\udcff")
    except (OSError, UnicodeError):
        pytest.skip("this disk has no such names")
    code, out, _ = tsniqa("data", "check", "--root", tmp_path / "odd\udcff")
    assert code == 0
    assert r"odd\udcff (generic layout" in out


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


@pytest.fixture(scope="module")
def saved(world, tmp_path_factory):
    record = world.run(tmp_path_factory.mktemp("saved") / "records", order=("alpha", "beta"))
    return record.folder / "model"


def test_images_and_folders_are_scored_in_order_and_what_cannot_be_is_named(
    tsniqa, world, saved, tmp_path
):
    images = world.task("gamma").paths("test")[:2]
    shutil.copy(images[1], tmp_path / "copy.png")
    code, out, error = tsniqa("score", images[0], "none.jpg", tmp_path, "--model", saved)
    rows = list(csv.DictReader(out.splitlines()))
    assert (code, out.count("\r")) == (1, 0)
    told, *error = error.splitlines(keepends=True)
    assert told == (
        "tsniqa: learned from opinions of a program on alpha, beta alone: a demonstration, its"
        " scores of photographs mean nothing\n"
    )
    assert "".join(error) == (
        "tsniqa: 1 of 3 images cannot be scored:\n"
        "  image none.jpg is missing; restore the file, or leave it out\n"
    )
    assert [row["image"] for row in rows] == [str(images[0]), str(tmp_path / "copy.png")]
    assert rows[0].keys() == {"image", "score"}
    expected = TSNIQA.load(saved).predict(images)
    assert [float(row["score"]) for row in rows] == pytest.approx(expected, rel=1e-5)


def test_without_a_model_the_shipped_one_scores_whatever_folders_are_here(
    tsniqa, world, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").mkdir()
    code, out, error = tsniqa("score", world.task("gamma").paths("test")[0], "--format", "csv")
    assert (code, out.count("\n")) == (0, 2)
    assert error.startswith("tsniqa: learned from opinions of people on live-challenge; of a prog")
    code, out, _ = tsniqa("model", "show", "photographs")
    assert (code, "live-challenge" in out) == (0, True)
    assert TSNIQA.load("photographs").tasks, "a folder without a model is none"


def test_sparse_scores_have_a_bound_and_skipped_heads_no_score(tsniqa, world, saved):
    image = world.task("gamma").paths("test")[0]
    options = ["--model", saved, "--readout", "gated", "--sparse", "1", "--format", "jsonl"]
    code, out, _ = tsniqa("score", image, *options, "--explain")
    row = json.loads(out)
    exact = TSNIQA.load(saved).predict(image, "gated")[0]
    assert code == 0
    assert abs(row["score"] - exact) <= row["bound"] <= 2
    assert [row["head alpha"], row["head beta"]].count(None) == 1
    code, out, error = tsniqa("score", image, *options, "--together")
    assert (code, out) == (2, "")
    assert "--together is the readout 'set'; leave out --readout gated" in error
    code, out, error = tsniqa("score", image, "--model", saved, "--sparse", "1", "--together")
    assert (code, out) == (2, "")
    assert "leave it out, or weigh every image by itself: --readout calibrated" in error


def test_a_model_is_exported_and_the_file_replaced_only_by_a_right_one(tsniqa, saved, tmp_path):
    out = tmp_path / "model.onnx"
    code, said, _ = tsniqa("export", saved, out, "--task", "beta")
    assert code == 0
    assert said.startswith(f"{out}: 0.")
    assert "MB, scores as PyTorch's to " in said
    before = out.read_bytes()
    for arguments, message in (
        ([saved, out, "--readout", "set"], "the readout 'set' weighs images together"),
        ([saved, tmp_path / "model.bin"], "model.bin does not end in .onnx"),
        ([tmp_path, out], "no saved model in"),
    ):
        code, said, error = tsniqa("export", *arguments)
        assert (code, said, error.count("\n")) == (2, "", 1)
        assert message in error
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]


def test_a_score_is_explained(tsniqa, world, saved):
    images = world.task("gamma").paths("test")[:2]
    options = ["--model", saved, "--explain", "--format", "jsonl", "--readout", "uniform"]
    code, out, _ = tsniqa("score", *images, *options)
    rows = [json.loads(line) for line in out.splitlines()]
    expected = TSNIQA.load(saved).explain(images, "uniform").to_dict("records")
    assert code == 0
    for row, known in zip(rows, expected, strict=True):
        assert row["nearest"] == min(("alpha", "beta"), key=lambda task: row[f"distance {task}"])
        own = {name for name in row if "unusual" in name} | {"nearest", "image"}
        assert own == {"image", "nearest", "unusual", "unusual alpha", "unusual beta"}
        assert row["unusual"] == min(row["unusual alpha"], row["unusual beta"])
        assert known == {name: value for name, value in row.items() if name not in own}


def test_scores_are_mapped_to_the_scale_of_a_task_and_strange_images_named(
    tsniqa, world, saved, tmp_path
):
    model, images = TSNIQA.load(saved), world.task("alpha").paths("test")
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    call = ["score", *images, tmp_path / "black.png", "--model", saved, "--format", "jsonl"]
    code, out, error = tsniqa(*call, "--scale", "alpha", "--explain")
    rows = [json.loads(line) for line in out.splitlines()]
    found = model.profiles["alpha"].on_scale(np.array([row["score"] for row in rows]))
    assert code == 0
    assert [row["scaled"] for row in rows] == pytest.approx(found)
    assert all(1 <= row["scaled"] <= 5 for row in rows)
    strange = sum(row["unusual"] == 100 for row in rows)
    assert rows[-1]["unusual"] == 100
    assert "scaled: as alpha, from 0 to 6\n" in error
    assert f"tsniqa: {strange} of 7 are farther from every task than its held-out images" in error
    for options, message in (
        (["--scale", "alpah"], "unknown scale 'alpah'; did you mean 'alpha'?"),
        (["--scale", "alpha", "--readout", "gated"], "are on no scale that could be mapped"),
    ):
        code, _, error = tsniqa(*call, *options)
        assert (code, error.count("\n")) == (2, 1)
        assert message in error


def test_an_output_file_is_gone_on_with(tsniqa, world, saved, tmp_path):
    images, out = world.task("gamma").paths("test")[:3], tmp_path / "scores.csv"
    options = ["--model", saved, "--out", out]
    assert tsniqa("score", *images, *options)[0] == 0
    whole = out.read_bytes()
    code, _, error = tsniqa("score", *images, *options)
    assert (code, out.read_bytes()) == (2, whole)
    assert "exists; go on with it by --resume" in error
    out.write_bytes(whole[:-4])
    assert tsniqa("score", *images, *options, "--resume")[0] == 0
    assert out.read_bytes() == whole
    begun = whole[: whole.rstrip().rfind(b"\n") + 1]
    out.write_bytes(begun)
    code, _, error = tsniqa("score", *images, *options, "--resume", "--readout", "uniform")
    assert (code, error.count("\n"), out.read_bytes()) == (2, 2, begun)
    assert "give the model and options that it was written with" in error
    code, _, error = tsniqa("score", *images, "--model", saved, "--resume")
    assert code == 2
    assert "give --out, and --format csv or jsonl" in error


def test_the_images_of_a_folder_share_their_weights_and_no_others(tsniqa, world, saved, tmp_path):
    images = world.task("gamma").paths("test")[:5]
    for path in images[2:]:
        shutil.copy(path, tmp_path)
    call = ["score", images[0], tmp_path, images[1], "--model", saved, "--format", "jsonl"]
    model, found = TSNIQA.load(saved), {}
    for options in (["--together"], ["--readout", "set"]):
        code, out, _ = tsniqa(*call, *options)
        found = {row["image"]: row["score"] for row in map(json.loads, out.splitlines())}
        assert (code, len(found)) == (0, 5)
        for group, names in (
            (images[:2], [str(path) for path in images[:2]]),
            (images[2:], [str(tmp_path / path.name) for path in images[2:]]),
        ):
            assert [found[name] for name in names] == model.predict(group, "set").tolist()


def test_a_run_is_told_where_its_record_is_and_not_repeated(tsniqa, world, tmp_path, caplog):
    changes = [f"--set={key}={value}" for key, value in world.overrides.items()]
    options = ["--preset", "smoke", "--strategy", "head-only", "--order", "alpha, beta"]
    options += ["--backbone", world.card, "--data-root", world.data_root, "--no-page"]
    results = ["--results-dir", tmp_path / "records"]
    first, again = (tsniqa("run", *options, *results, *changes) for _ in range(2))
    assert first[:2] == again[:2]
    assert first[0] == 0
    assert first[1].startswith(f"record: {tmp_path / 'records'}/smoke-head-only-seed0-")
    assert caplog.text.count("learning 2 tasks") == 1
    code, out, _ = tsniqa("compare-records", *results, "--published", tmp_path / "records")
    assert code == 0
    assert out.startswith("here: CPU (")
    assert "same verdicts" in out
    table = tmp_path / "summary.csv"
    for command in (["compare-records", *results], ["summary", "--out", table]):
        code, _, error = tsniqa(*command, "--published", tmp_path / "none")
        assert (code, error.count("\n")) == (2, 1)
        assert f"{tmp_path / 'none'}; name " in error
    assert not table.exists()
    code, out, _ = tsniqa("summary", "--published", tmp_path / "records", "--out", table)
    assert (code, out) == (0, f"summary: {table} (0 rows)\n"), "its preset is changed"
    assert (
        table.read_text()
        == "preset,backbone,strategy,seed,split,readout,task,measure,value,low,high\n"
    )


def test_a_page_on_a_run_is_called_by_all_that_makes_it_another(
    tsniqa, world, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setattr(pages, "execute", lambda entry: made.append(entry) or "there")
    changes = [f"--set={key}={value}" for key, value in world.overrides.items()]
    options = ["--preset", "smoke", "--strategy", "head-only", "--order", "beta,alpha"]
    options += ["--backbone", world.card, "--data-root", world.data_root, "--training-images", 8]
    results = ["--results-dir", tmp_path / "records"]
    code, out, _ = tsniqa("run", *options, *results, *changes, "--page")
    assert code == 0
    assert out.endswith("page: there (make book adds it under 'Your own runs')\n")
    told = ["seed 0", f"backbone {world.card}", "training images 8"]
    told += [f"{key}={value}" for key, value in world.overrides.items()]
    assert made[0].title == f"head-only on smoke, {', '.join(told)}: beta, alpha"
    assert made[0].notebook == "03_continual_run"
    assert checked("03_continual_run", made[0].parameters)["task_order"] == ["beta", "alpha"]
