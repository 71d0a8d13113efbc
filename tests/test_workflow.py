"""The workflow hands to the command line what the list of pages says, spaces and all."""

import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml

from tsniqa.paths import project_root


@pytest.mark.slow
@pytest.mark.skipif(find_spec("snakemake") is None, reason="needs the extra 'book'")
def test_values_with_spaces_reach_the_command_line_whole(tmp_path):
    shutil.copytree(project_root() / "workflow", tmp_path / "workflow")
    for name in ("src", "data", "notebooks"):
        (tmp_path / name).symlink_to(project_root() / name)
    parameters = {"strategy": "tsn", "data_root": "my data/raw $HOME", "backbone": "a 'b'.yml"}
    page = {"notebook": "03_continual_run", "parameters": parameters}
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "runs.yml").write_text(yaml.safe_dump({"my-page": page}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--dry-run"]
    options = ["--printshellcmds", "--cores", "1", "--nolock", "--quiet", "host"]
    told = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout + told.stderr
    lines = [line.strip() for line in (told.stdout + told.stderr).splitlines()]
    (run,) = {line for line in lines if "tsniqa run" in line}
    words = shlex.split(run[run.index("tsniqa run") :])
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert given["--data-root"] == parameters["data_root"]
    assert given["--backbone"] == parameters["backbone"]
