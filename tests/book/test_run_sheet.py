"""What a page says of a run follows from its record."""

from tsniqa.book.run_sheet import settings, telling_images, what_is_left, whom_gates_ask


def test_settings_say_what_applies_to_the_run(finished):
    shown = settings(finished("tsn"), "published")
    assert shown["strategy"] == "tsn (isolation)"
    assert shown["tasks"] == "alpha → beta → gamma"
    assert shown["fingerprint of the filters"].endswith(", the same after the run")
    assert shown["record"].endswith(", published")
    assert "published gate" in shown and "images in memory" not in shown
    alone = settings(finished("joint"), "published")
    assert alone["tasks"] == "alpha, beta, gamma, all at once"
    assert " before, " in alone["fingerprint of the filters"]
    assert "published gate" not in alone


def test_sentences_name_the_first_task_and_how_often_gates_are_right(finished):
    record = finished("tsn")
    assert what_is_left(record).startswith("On alpha, the first task, the SRCC (calibrated) was ")
    assert "guessing would give 33%" in whom_gates_ask(record)


def test_telling_images_are_those_of_the_record_if_they_are_here(finished, world, tmp_path):
    record = finished("tsn")
    found = telling_images(record, world.data_root)
    assert list(found) == record.order
    assert found["alpha"]["what"].tolist()[0] == "predicted best"
    assert "predicted 1\n" in found["alpha"]["text"][0]
    assert telling_images(record, tmp_path) == {}
