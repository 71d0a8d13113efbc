"""Published numbers: no number without its source, and a verdict for every case."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from tsniqa.errors import ConfigError
from tsniqa.study import published as of_papers
from tsniqa.study.published import (
    NOT_MEASURED,
    NOT_READ,
    NOT_REPRODUCED,
    REPRODUCED,
    TOLERANCE,
    Measured,
    load_published,
    number_table,
    plain_records,
    source_list,
    verdict,
)
from tsniqa.study.ways import measures

SHIPPED = Path(__file__).parents[1] / "data" / "published.yml"

CONTENT = {
    "sources": {
        "paper": {
            "citation": "Somebody: Something. 2024",
            "address": "https://example.org",
            "read": "Table 1",
            "read_on": "2026-11-24",
        }
    },
    "rows": [
        {
            "called": "Theirs",
            "source": "paper",
            "preset": "smoke",
            "strategy": "tsn",
            "use": "gated",
            "order": ["alpha", "beta", "gamma"],
            "values": {"mSI": 0.9, "alpha": 0.8, "mPI": None},
            "where": "Table 1, row 2",
        }
    ],
}


@pytest.fixture
def written(tmp_path):
    """Write the content with one row changed; return the file."""

    def write(row=None, **content):
        rows = [CONTENT["rows"][0] | (row or {})]
        path = tmp_path / "published.yml"
        path.write_text(yaml.safe_dump(CONTENT | {"rows": rows} | content))
        return path

    return write


@pytest.fixture
def stored(finished, tmp_path):
    """Store a run as plain records, one a seed, with SRCC shifted by some amount each."""

    def store(*shifts, strategy="tsn", **description):
        folder = tmp_path / "records"
        record = finished(strategy)
        for seed, shift in enumerate(shifts):
            changes = {"seed": seed, "overrides": {}, "backbone": None}
            config = record.config.model_copy(update=changes)
            changed = record.description.model_copy(update={"config": config, **description})
            version = description.get("results_version", "")
            target = folder / f"{strategy}-{seed}-{version}"
            target.mkdir(parents=True)
            moved = record.correlations + shift
            replace(record, description=changed, correlations=moved).save(target)
        return folder

    return store


def test_the_shipped_file_loads_and_every_number_says_where_it_was_read():
    papers = load_published(SHIPPED)
    assert papers.rows
    assert papers.claims
    for row in papers.rows:
        for value in row.values.values():
            assert value is None or (row.where and papers.sources[row.source].read)
    listed = source_list(papers).splitlines()
    assert [line.split("**")[1] for line in listed] == list(papers.sources)


def test_the_shipped_rows_cover_the_rivals_and_the_measures_of_the_main_comparison():
    papers = load_published(SHIPPED)
    found = {(row.strategy, measure) for row in papers.rows for measure in row.values}
    for strategy in ("tsn", "sequential", "multihead", "lwf", "ewc", "si", "mas", "icarl-v2"):
        assert {(strategy, name) for name in ("mPI", "mSI", "mPSI", "mSRCC")} <= found
    assert {("joint", "mean SRCC"), ("separate", "mean SRCC")} <= found


def test_a_number_is_averaged_over_seeds_and_judged(written, stored, finished):
    folder = stored(0.0, 0.02)
    expected = measures(finished(), "gated")
    near = expected["alpha"] + 0.01
    path = written({"values": {"mSI": expected["mSI"] - 0.5, "alpha": near, "mPI": None}})
    table = number_table(load_published(path), folder).set_index("measure")
    assert table.loc["alpha", "measured"] == pytest.approx(near)
    assert table["runs"].tolist() == [2, 2, 2]
    assert table["reproduced?"].to_dict() == {
        "mSI": NOT_REPRODUCED,
        "alpha": REPRODUCED,
        "mPI": NOT_READ,
    }
    assert np.isnan(table.loc["mPI", "published"])
    assert table.loc["alpha", "where"] == "Table 1, row 2"


def test_without_a_record_of_the_order_it_is_not_measured(written, stored, tmp_path):
    papers = load_published(written({"values": {"mSI": 0.9}}))
    assert number_table(papers, tmp_path / "none")["reproduced?"].tolist() == [NOT_MEASURED]
    other = load_published(written({"values": {"mSI": 0.9}, "order": ["gamma", "beta", "alpha"]}))
    table = number_table(other, stored(0.0))
    assert table["reproduced?"].tolist() == [NOT_MEASURED]
    assert np.isnan(table["measured"]).all()


@pytest.mark.parametrize(
    ("value", "found", "expected"),
    [
        (None, Measured(0.9, 0.9, 0.9, 1), NOT_READ),
        (0.9, Measured(np.nan, np.nan, np.nan, 0), NOT_MEASURED),
        (0.9, Measured(np.nan, np.nan, np.nan, 3), NOT_MEASURED),
        (0.9, Measured(0.9 - TOLERANCE, 0.88, 0.88, 1), REPRODUCED),
        (0.9, Measured(0.9 - TOLERANCE - 0.001, 0.87, 0.88, 2), NOT_REPRODUCED),
        (0.9, Measured(0.8, 0.7, 0.9, 2), REPRODUCED),
        (0.9, Measured(0.95, 0.94, 0.96, 2), NOT_REPRODUCED),
    ],
)
def test_the_verdict_follows_the_tolerance_and_the_range_of_the_runs(value, found, expected):
    assert verdict(value, found) == expected


def test_changed_runs_do_not_count_and_the_newest_version_of_a_run_does(stored, finished):
    folder = stored(0.0, results_version=1)
    stored(0.01, results_version=2)
    altered = finished()
    (folder / "altered").mkdir()
    altered.save(folder / "altered")  # has overrides
    found = plain_records(folder, "smoke", "tsn")
    assert [record.description.results_version for record in found] == [2]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"where": ""}, "without 'where'"),
        ({"strategy": "tns"}, "unknown strategy 'tns'; did you mean 'tsn'"),
        ({"use": "half"}, "unknown use 'half'"),
        ({"strategy": "sequential", "use": "gated"}, "valid uses: single"),
        ({"values": {"mPIS": 0.5}}, "unknown measure 'mPIS'"),
        ({"values": {"mSI": 90.0}}, "not within -1 and 1"),
        ({"source": "memory"}, "unknown source 'memory'"),
        ({"note": "extra"}, "rows.0.note"),
    ],
)
def test_a_malformed_row_is_refused_in_one_line(written, row, words):
    with pytest.raises(ConfigError, match=r"published\.yml") as caught:
        load_published(written(row))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["read", "read_on"])
def test_a_source_says_what_was_read_and_when(written, missing):
    source = {key: value for key, value in CONTENT["sources"]["paper"].items() if key != missing}
    with pytest.raises(ConfigError, match=rf"sources\.paper\.{missing}"):
        load_published(written(sources={"paper": source}))
    with pytest.raises(ConfigError, match=r"sources\.paper\.read"):
        load_published(written(sources={"paper": CONTENT["sources"]["paper"] | {"read": ""}}))


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no published numbers at"):
        load_published(tmp_path / "none.yml")
    (tmp_path / "broken.yml").write_text("sources: [")
    with pytest.raises(ConfigError, match=r"broken\.yml"):
        load_published(tmp_path / "broken.yml")


def test_every_verdict_has_words_of_its_own():
    names = ("REPRODUCED", "NOT_REPRODUCED", "NOT_MEASURED", "NOT_READ")
    assert len({getattr(of_papers, name) for name in names}) == 4
