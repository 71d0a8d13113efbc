"""Linear heads and ridge heads."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from tsniqa import LinearHead
from tsniqa.model.backbone import Features
from tsniqa.model.heads import RidgeHead, make_head


def unit(count, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, width, generator=generator), dim=1)


@given(seed=st.integers(0, 2**31 - 1), width=st.integers(1, 40), scale=st.floats(1e-3, 1e3))
def test_a_score_is_the_cosine_between_feature_and_weight(seed, width, scale):
    head, x = LinearHead(width, torch.Generator().manual_seed(seed)), unit(8, width, seed)
    with torch.no_grad():
        head.weight.mul_(scale)
    weight = head.weight.detach().double().numpy()
    cosines = x.double().numpy() @ weight / np.sqrt((weight**2).sum())
    np.testing.assert_allclose(head.score(x).numpy(), cosines, atol=1e-6)
    assert head.score(x).abs().max() <= 1 + 1e-6


def test_learning_sees_the_raw_weight_and_scoring_ignores_its_length():
    head, x = LinearHead(6, torch.Generator().manual_seed(2)), unit(3, 6)
    raw, score = head(x).detach(), head.score(x)
    with torch.no_grad():
        head.weight.mul_(4)
    assert torch.equal(head(x).detach(), 4 * raw)
    assert torch.equal(head.score(x), score)
    assert head(x).requires_grad
    assert not score.requires_grad


def test_there_is_no_bias_and_the_weight_comes_from_the_generator_alone():
    torch.manual_seed(0)
    first = LinearHead(7, torch.Generator().manual_seed(3))
    torch.manual_seed(99)
    second = LinearHead(7, torch.Generator().manual_seed(3))
    assert torch.equal(first.weight, second.weight)
    assert [name for name, _ in first.named_parameters()] == ["weight"]
    assert first.weight.dtype == torch.float32


def test_a_ridge_head_is_affine_in_the_feature_of_heads_and_clipped_to_the_range():
    features = Features((unit(40, 3, 1), unit(40, 4, 2)), unit(40, 5, 3))
    weight = torch.linspace(-2, 2, 5)
    slow = features.head.double() @ weight.double() + 0.25
    got = RidgeHead(weight, torch.tensor(0.25)).score(features.head)
    np.testing.assert_allclose(got, slow.clamp(-1, 1), atol=1e-7)
    assert (slow.abs() > 1).any()
    assert got.dtype == torch.float32


def test_heads_come_back_from_their_state():
    for head in (LinearHead(5), RidgeHead(torch.randn(5), torch.tensor(0.5))):
        again = make_head(head.state_dict())
        assert type(again) is type(head)
        state = again.state_dict()
        assert all(torch.equal(state[name], value) for name, value in head.state_dict().items())
