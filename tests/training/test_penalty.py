"""The heads' penalty: folds that share no content, and the choice within the training images."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.model.heads import LinearHead
from tsniqa.training.context import LabelledImages
from tsniqa.training.penalty import FOLDS, choose_penalty, content_folds
from tsniqa.training.trainer import Epoch, Source


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40))
def test_folds_are_disjoint_in_content_and_hold_every_image_out_once(contents):
    references = np.array(contents)
    folds = content_folds(references)
    alone = len(set(contents)) == 1  # then images are left out, not contents
    assert len(folds) == (
        min(FOLDS, len(contents if alone else set(contents))) if contents[1:] else 0
    )
    for rest, held in folds:
        assert sorted([*rest, *held]) == list(range(len(contents)))
        assert alone or set(references[rest]).isdisjoint(references[held])
        assert len(rest)
        assert len(held)
    everyone = sorted(row for _, held in folds for row in held)
    assert everyone == (list(range(len(contents))) if contents[1:] else [])


def source(count, head=None, seed=0):
    """Features of which the first value is the image's number, its opinion and its content."""
    random = np.random.default_rng(seed)
    features = torch.tensor(random.normal(size=(count, 3)), dtype=torch.float32)
    features[:, 0] = torch.arange(count)
    names = np.array([f"content {i}" for i in range(count)])
    return Source(LabelledImages(None, features[:, 0], "", names), head or LinearHead(3), features)


def judged(quality):
    return [Epoch(step="head", epoch=1, loss=None, validation_srcc=quality)]


class TestTheChoice:
    def test_it_is_the_penalty_with_the_highest_mean_on_held_out_folds(self):
        """Best in three folds of five is 3; best on the mean is 2: (3 x 0.5 + 2 x 0.9) / 5."""
        told = {1.0: [0.4] * 5, 2.0: [0.5] * 3 + [0.9] * 2, 3.0: [0.6] * 3 + [0.1] * 2}
        answers = {penalty: iter(values) for penalty, values in told.items()}

        def learn(train, held, penalty):
            return [*judged(1.0), *judged(next(answers[penalty]))]  # the last epoch counts

        assert choose_penalty((1.0, 2.0, 3.0), [source(10)], learn) == 2.0
        assert [list(left) for left in answers.values()] == [[], [], []]

    def test_of_equals_it_is_the_first(self):
        assert choose_penalty((3.0, 1.0), [source(10)], lambda *_: judged(0.5)) == 3.0

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_where_nothing_can_be_measured_it_is_the_first(self, count):
        """Folds of a single image have no correlation; a single image has no folds."""
        assert choose_penalty((3.0, 1.0), [source(count)], lambda *_: judged(np.nan)) == 3.0

    def test_folds_whose_held_out_opinions_are_equal_judge_nothing(self):
        """One fold holds two images of one opinion out, which no head can rank."""
        tied = source(10)
        _, equal = content_folds(tied.images.references)[0]
        tied.images.mos[equal] = 8.0
        held_out = []

        def learn(train, held, penalty):
            held_out.append(held[0].images.mos.tolist())
            return judged({3.0: 0.1, 1.0: 0.6}[penalty])

        assert choose_penalty((3.0, 1.0), [tied], learn) == 1.0
        assert len(held_out) == 2 * (FOLDS - 1)
        assert [8.0, 8.0] not in held_out

    def test_a_penalty_with_which_learning_diverges_is_not_taken(self):
        qualities = {3.0: np.nan, 1.0: 0.1}
        chosen = choose_penalty(
            (3.0, 1.0), [source(10)], lambda *parts: judged(qualities[parts[2]])
        )
        assert chosen == 1.0

    def test_every_source_is_parted_and_its_rows_stay_together(self):
        own, other, shown = source(11), source(23, seed=1), []

        def learn(train, held, penalty):
            shown.append((train, held))
            return judged(0.5)

        choose_penalty((1.0,), [own, other], learn)
        assert len(shown) == FOLDS
        for parts in zip(*shown, strict=True):
            for number, whole in enumerate((own, other)):
                for part in (one[number] for one in parts):
                    assert part.head is whole.head
                    rows = part.features[:, 0].long()
                    assert torch.equal(part.features, whole.features[rows])
                    assert torch.equal(part.images.mos, whole.images.mos[rows])
                    assert list(part.images.references) == [f"content {i}" for i in rows]
        for train, held in shown:
            for one, rest, count in zip(held, train, (11, 23), strict=True):
                numbers = torch.cat([one.features[:, 0], rest.features[:, 0]])
                assert sorted(numbers.tolist()) == list(range(count))
