"""The linear head."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from tsniqa.model.heads import LinearHead


def features(count, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, width, generator=generator), dim=1)


@given(seed=st.integers(0, 2**31 - 1), width=st.integers(1, 40), scale=st.floats(1e-3, 1e3))
def test_scores_of_unit_features_lie_between_minus_one_and_one(seed, width, scale):
    head = LinearHead(width, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        head.weight.mul_(scale)
    scores = head.score(features(20, width, seed)).detach()
    assert scores.abs().max() <= 1 + 1e-6


def test_a_score_is_the_cosine_between_feature_and_weight():
    head = LinearHead(5, torch.Generator().manual_seed(1))
    x = features(4, 5)
    weight = head.weight.detach().numpy().astype(np.float64)
    cosines = [
        sum(float(a) * float(b) for a, b in zip(row, weight, strict=True))
        / np.sqrt((weight**2).sum())
        for row in x
    ]
    np.testing.assert_allclose(head.score(x).detach().numpy(), cosines, atol=1e-6)


def test_learning_sees_the_raw_weight_and_scoring_ignores_its_length():
    head = LinearHead(6, torch.Generator().manual_seed(2))
    x = features(3, 6)
    raw, score = head(x).detach(), head.score(x).detach()
    with torch.no_grad():
        head.weight.mul_(4)
    assert torch.equal(head(x).detach(), 4 * raw)
    assert torch.equal(head.score(x).detach(), score)


def test_there_is_no_bias_and_the_weight_comes_from_the_generator_alone():
    torch.manual_seed(0)
    first = LinearHead(7, torch.Generator().manual_seed(3))
    torch.manual_seed(99)
    second = LinearHead(7, torch.Generator().manual_seed(3))
    assert torch.equal(first.weight, second.weight)
    assert [name for name, _ in first.named_parameters()] == ["weight"]
    assert first.weight.dtype == torch.float32
