"""Where records come from: overview, fingerprints, versions."""

from tsniqa.study.provenance import (
    filters_unchanged,
    fingerprint_table,
    run_overview,
    version_table,
)


def test_the_overview_lists_runs_and_whether_their_filters_changed(finished, publish, tmp_path):
    for strategy in ("tsn", "sequential"):
        publish(finished(strategy), tmp_path)
    table = run_overview(tmp_path).set_index("strategy")
    assert table.loc["tsn", "filters"] == "unchanged"
    assert table.loc["tsn", "tasks"] == 3
    for strategy in ("tsn", "sequential"):
        unchanged = filters_unchanged(finished(strategy))
        assert (table.loc[strategy, "filters"] == "unchanged") == unchanged
    assert run_overview(tmp_path / "none").empty


def test_fingerprints_are_listed_with_the_number_of_their_records(finished, publish, tmp_path):
    for strategy in ("tsn", "sequential"):
        publish(finished(strategy), tmp_path)
    table = fingerprint_table(tmp_path, tmp_path / "none")
    assert table["name"].tolist() == ["resnet10t", "alpha", "beta", "gamma"]
    assert table["records"].tolist() == [2, 2, 2, 2]
    assert fingerprint_table(tmp_path / "none").empty


def test_versions_are_listed_by_the_sets_that_occur(finished, publish, tmp_path):
    record = finished("tsn")
    publish(record, tmp_path / "a")
    publish(record, tmp_path / "b", versions=record.description.versions | {"torch": "9.9"})
    table = version_table(tmp_path / "a", tmp_path / "b", tmp_path / "a")
    assert table.columns.tolist() == ["set 1 (2 records)", "set 2 (1 record)"]
    assert table.loc["torch", "set 2 (1 record)"] == "9.9"
