"""The command line as a function."""

import sys

import pytest

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
