"""The catalogue: its cards, and finding datasets under the names and layouts that circulate."""

import re
from importlib import import_module

import pytest

from official import csiq, kadid_10k, koniq_10k, live
from tsniqa.data import catalogue, load_task, task_names
from tsniqa.data.cards import PAPER, find_card, load_cards
from tsniqa.data.readers import biq2021
from tsniqa.errors import ConfigError, DataError
from tsniqa.study.config import load_preset

NAMES = list(load_cards())


class TestCards:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_card_names_a_reader(self, name):
        reader = import_module(f"tsniqa.data.readers.{find_card(name).reader}")
        assert (find_card(name).subset is None) == (reader is not biq2021)
        assert callable(reader.read)

    def test_the_papers_six_come_first_and_are_those_of_the_preset(self):
        assert NAMES[:6] == list(PAPER) == list(load_preset("paper").tasks)

    @pytest.mark.parametrize("name", NAMES)
    def test_facts_are_confirmed_by_a_public_address_and_downloads_are_stated_by_one(self, name):
        card = find_card(name)
        assert card.confirmed
        sources = [one.source for one in card.confirmed] + [one.source for one in card.downloads]
        for address in [*sources, card.homepage, *(one.url for one in card.downloads)]:
            assert re.fullmatch(r"(https?|ftp)://\S+", address), address
        for download in card.downloads:
            assert download.checksum is None or re.fullmatch(
                r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", download.checksum
            )
        assert (card.access == "download") == bool(card.downloads)

    def test_an_unknown_name_lists_the_catalogue(self):
        with pytest.raises(ConfigError, match=r"unknown dataset 'koniq'; did you mean 'koniq-10k'"):
            find_card("koniq")


class TestLocating:
    @pytest.mark.parametrize("folder", ["csiq", "CSIQ", "Csiq"])
    def test_under_the_tasks_name_or_the_archives_in_any_case(self, tmp_path, folder):
        csiq.write(tmp_path / folder)
        source = catalogue.locate("csiq", tmp_path)
        assert (source.folder, source.layout) == (tmp_path / folder, "official")

    def test_a_users_folder_is_found_by_its_own_spelling_alone(self, tmp_path, dataset):
        """Splits and seeds come from a task's name: two spellings would be two tasks."""
        dataset(tmp_path / "phones")
        assert catalogue.locate("phones", tmp_path).layout == "generic"
        assert catalogue.locate("Phones", tmp_path) is None

    def test_in_the_datasets_own_folder(self, tmp_path):
        live.write(tmp_path / "wherever")
        assert catalogue.locate("live", tmp_path / "wherever").folder == tmp_path / "wherever"

    def test_the_generic_layout_goes_before_the_official_one(self, tmp_path, dataset):
        csiq.write(tmp_path / "CSIQ")
        dataset(tmp_path / "csiq")
        found = catalogue.locate("csiq", tmp_path)
        assert (found.folder.name, found.layout) == ("csiq", "generic")

    def test_a_folder_of_that_name_without_the_files_is_not_it(self, tmp_path):
        (tmp_path / "csiq").mkdir()
        assert catalogue.locate("csiq", tmp_path) is None
        with pytest.raises(DataError, match="dataset 'csiq' is not under"):
            load_task("csiq", tmp_path, 0)

    def test_every_dataset_of_a_folder_is_listed_catalogued_ones_first(self, tmp_path, dataset):
        dataset(tmp_path / "aaa")
        kadid_10k.write(tmp_path / "kadid10k")
        live.write(tmp_path / "databaserelease2")
        assert task_names(tmp_path)[-3:] == ["live", "kadid-10k", "aaa"]


class TestLoading:
    def test_an_official_layout_becomes_a_task_with_its_cards_facts(self, tmp_path):
        expected = csiq.write(tmp_path / "CSIQ")
        task = load_task("csiq", tmp_path, 0)
        assert len(task.table) == len(expected)
        assert task.citation == find_card("csiq").citation
        assert task.mos_range == find_card("csiq").mos_range
        assert not task.simulated
        assert list(task.table["image"]) == sorted(task.table["image"])

    def test_without_a_published_split_the_given_one_is_split_0(self, tmp_path):
        csiq.write(tmp_path / "CSIQ")
        given, zero = (load_task("csiq", tmp_path, 0, split) for split in ("given", "0"))
        assert given.table.equals(zero.table)
        assert given.table.groupby("reference")["split"].nunique().max() == 1

    def test_a_published_split_is_the_given_one(self, tmp_path):
        expected = koniq_10k.write(tmp_path / "koniq10k")
        task = load_task("koniq-10k", tmp_path, 0)
        published = dict(zip(expected["image"], expected["split"], strict=True))
        assert set(published.values()) == {"train", "val", "test"}
        assert dict(zip(task.table["image"], task.table["split"], strict=True)) == published

    def test_a_split_number_and_split_files_exclude_each_other(self, tmp_path):
        csiq.write(tmp_path / "CSIQ")
        with pytest.raises(ConfigError, match="exclude each other; give one"):
            load_task("csiq", tmp_path, 0, "1", splits_from=tmp_path)


class TestOverview:
    def test_has_a_row_a_dataset_and_says_which_are_here(self, tmp_path):
        csiq.write(tmp_path / "CSIQ")
        table = catalogue.overview(tmp_path)
        assert list(table["dataset"]) == NAMES
        here = dict(zip(table["dataset"], table["here"], strict=True))
        assert here.pop("csiq") == f"yes: {tmp_path / 'CSIQ'}"
        assert set(here.values()) == {"no"}
        assert "here" not in catalogue.overview()

    def test_says_which_scales_were_turned_round(self):
        scales = catalogue.overview().set_index("dataset")["scale"]
        for name in NAMES:
            assert ("turned round" in scales[name]) == find_card(name).flipped
