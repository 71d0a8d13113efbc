"""Strategies from a file: the one it defines is found, every other file is refused in one line."""

import sys

import pytest

from tsniqa.errors import ConfigError
from tsniqa.strategies import STRATEGIES
from tsniqa.strategies.from_file import load_strategy
from tsniqa.strategies.multihead import MultiHead

GOOD = '''"""Mine: an example."""

from tsniqa.strategies.multihead import MultiHead


class Helper:
    """No strategy, for it has no name."""


class Mine(MultiHead):
    """The one."""

    name = "mine"
'''


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    yield write
    for name in [name for name in sys.modules if name.startswith("tsniqa_strategy_")]:
        if getattr(sys.modules[name], "__file__", "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_it_returns_the_one_class_that_names_itself_and_registers_nothing(written):
    strategy = load_strategy(written(GOOD))
    assert strategy.__name__ == "Mine"
    assert issubclass(strategy, MultiHead)
    assert "mine" not in STRATEGIES
    assert sys.modules[strategy.__module__].__doc__ == "Mine: an example."


def test_a_registered_file_can_be_loaded_again_after_a_change(written, monkeypatch):
    monkeypatch.setitem(STRATEGIES, "mine", load_strategy(written(GOOD)))
    path = written(GOOD + "    default_weight = 3.0\n")
    assert load_strategy(path).default_weight == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from tsniqa.strategies.tsn import TSN\n", "defines none"),
        (GOOD + GOOD.replace("Mine", "Other"), "defines Mine, Other"),
        ('class Bare:\n    name = "bare"\n', r"'bare' is no strategy; derive it from"),
        (GOOD.replace('"mine"', '"tsn"'), r"'tsn' already, in tsniqa\.strategies\.tsn"),
        (GOOD.replace('"mine"', '"a/b"'), "cannot be called 'a/b'"),
        ("import no_such_module\n", "failed: ModuleNotFoundError: No module named"),
        ("class Mine(\n", "failed: SyntaxError"),
    ],
    ids=["none", "two", "no strategy", "taken", "path", "import", "syntax"],
)
def test_a_file_without_one_whole_strategy_is_refused(written, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_strategy(written(text, "broken.py"))
    assert "\n" not in str(caught.value)
    assert "broken.py" in str(caught.value)
    if "failed" in message:
        assert "tsniqa_strategy_broken" not in sys.modules


def test_a_missing_file_and_one_that_is_no_python_are_refused(written, tmp_path):
    with pytest.raises(ConfigError, match=r"no strategy file at .*absent"):
        load_strategy(tmp_path / "absent.py")
    with pytest.raises(ConfigError, match=r"must end in \.py"):
        load_strategy(written(GOOD, "mine.txt"))


def test_a_changed_file_makes_another_run(written, world, monkeypatch):
    names = []
    for text in (GOOD, GOOD.replace("The one", "The one"), GOOD.replace("The one", "Another")):
        strategy = load_strategy(written(text))
        monkeypatch.setitem(STRATEGIES, strategy.name, strategy)
        names.append(world.resolve("mine").run_id)
        monkeypatch.delitem(STRATEGIES, strategy.name)
    assert names[0] == names[1] != names[2]
