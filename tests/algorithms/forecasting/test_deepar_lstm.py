"""The compiled layers beside the same written in torch, on every kind of vectors that this machine has."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sagecask_forecasting.deepar import recurrent
from sagecask_forecasting.deepar.lstm import Inputs, by_operations, outputs
from sagecask_forecasting.deepar.native import compiled
from sagecask_forecasting.deepar.recurrent import Sizes, Tapes, Zoneout, over_blocks

HASHED = Zoneout(first=123, second=456, threshold=13107)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


KINDS = [Zoneout(), Zoneout(keep=0.2), HASHED]


def problem(sizes: Sizes, dtype: torch.dtype = torch.float32) -> tuple[Inputs, tuple[torch.Tensor, ...]]:
    draw = torch.Generator().manual_seed(sizes.rows)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=dtype)

    gates = 4 * sizes.cells
    places = torch.randint(0, sizes.points - sizes.steps + 1, (sizes.lags,), generator=draw)
    features = normal(sizes.rows, sizes.steps, sizes.features)
    inputs = Inputs(normal(sizes.rows, sizes.points), places, features, normal(sizes.rows, gates))
    inputs.base.requires_grad_()
    weights = []
    for layer in range(sizes.layers):
        width = sizes.cells if layer else sizes.lags + sizes.features
        weights += [0.3 * normal(gates, width), 0.3 * normal(gates, sizes.cells), 0.3 * normal(gates)]
    weights += [normal(sizes.outputs, sizes.cells), normal(sizes.outputs)]
    return inputs, tuple(weight.requires_grad_() for weight in weights)


@pytest.mark.parametrize("zoneout", KINDS, ids=["plain", "expected", "hashed"])
@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(rows=5, steps=7, points=20, lags=3, features=2, cells=3, layers=1, outputs=1),
        Sizes(rows=33, steps=17, points=30, lags=4, features=3, cells=5, layers=2, outputs=3),
        Sizes(rows=64, steps=33, points=90, lags=7, features=1, cells=40, layers=3, outputs=2),
        Sizes(rows=70, steps=16, points=16, lags=1, features=0, cells=8, layers=2, outputs=4),
    ],
    ids=str,
)
def test_compiled_layers_and_their_gradients_equal_those_of_torch(sizes: Sizes, zoneout: Zoneout) -> None:
    inputs, weights = problem(sizes)
    one, other = outputs(inputs, weights, zoneout), by_operations(inputs, weights, zoneout)
    assert (one - other).abs().max() < 2e-5
    of = [inputs.base, *(weight for place, weight in enumerate(weights) if place != 2)]
    along = torch.randn(one.shape, generator=torch.Generator().manual_seed(1))
    for found, wanted in zip(torch.autograd.grad(one, of, along), torch.autograd.grad(other, of, along), strict=True):
        assert (found - wanted).abs().max() <= 2e-5 * wanted.abs().max()


@pytest.mark.parametrize("zoneout", KINDS, ids=["plain", "expected", "hashed"])
def test_operations_of_torch_have_the_gradient_of_finite_differences(zoneout: Zoneout) -> None:
    sizes = Sizes(rows=3, steps=4, points=9, lags=2, features=1, cells=2, layers=2, outputs=2)
    inputs, weights = problem(sizes, torch.float64)

    def run(base: torch.Tensor, *given: torch.Tensor) -> torch.Tensor:
        return by_operations(Inputs(inputs.history, inputs.places, inputs.features, base), given, zoneout)

    assert torch.autograd.gradcheck(run, (inputs.base, *weights))


def test_layers_without_zoneout_are_those_of_torch() -> None:
    sizes = Sizes(rows=6, steps=9, points=20, lags=3, features=2, cells=4, layers=2, outputs=1)
    inputs, weights = problem(sizes)
    other = torch.nn.LSTM(5, 4, 2, batch_first=True)
    with torch.no_grad():
        for layer in range(2):
            for name, value in zip(("weight_ih", "weight_hh", "bias_ih"), weights[3 * layer :], strict=False):
                getattr(other, f"{name}_l{layer}").copy_(value)
            getattr(other, f"bias_hh_l{layer}").zero_()
        other.bias_ih_l0.copy_(inputs.base[0])
        places = inputs.places[:, None] + torch.arange(9)
        seen = torch.cat([inputs.history[:, places].transpose(1, 2), inputs.features], dim=2)
        inputs.base.copy_(inputs.base[:1].expand(6, -1))
        wanted = other(seen)[0] @ weights[-2].T + weights[-1]
        assert (outputs(inputs, weights, Zoneout()) - wanted).abs().max() < 1e-5


def kinds_of_vectors() -> list[int]:
    found = []
    for lanes in (4, 8, 16):
        try:
            compiled.squash(lanes, 1, *(np.zeros(1, np.float32) for _ in range(3)))
        except ValueError:
            continue
        found.append(lanes)
    return found


@pytest.mark.parametrize("lanes", kinds_of_vectors())
def test_every_kind_of_vectors_gives_the_same_in_any_number_of_threads(lanes: int) -> None:
    sizes = Sizes(rows=100, steps=20, points=30, lags=4, features=3, cells=7, layers=2, outputs=3, lanes=lanes)
    inputs, weights = problem(sizes)
    wanted = by_operations(inputs, weights, HASHED).detach().numpy()
    whole = recurrent.packed(sizes, [weight.detach().numpy() for weight in weights])
    given = [t.detach().numpy() for t in (inputs.history, inputs.places, inputs.features, inputs.base)]
    for threads in (1, 3):
        raw = np.empty(wanted.shape, np.float32)
        over_blocks(
            sizes.blocks, threads, lambda first, last: compiled.forward(
                sizes, whole, *given, HASHED, None, raw, None, first, last  # noqa: B023 - as above
            ),
        )  # fmt: skip
        np.testing.assert_allclose(raw, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("lanes", kinds_of_vectors())
def test_sigmoid_and_tanh_are_right_to_three_parts_in_ten_million(lanes: int) -> None:
    values = np.concatenate([np.linspace(-30, 30, 100_001), [-3e38, -200, 200, 3e38]]).astype(np.float32)
    sigmoid, tanh = np.empty_like(values), np.empty_like(values)
    compiled.squash(lanes, len(values), values, sigmoid, tanh)
    exact = values.astype(np.float64)
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(np.clip(-exact, -700, 700))), rtol=0, atol=1.5e-7)
    np.testing.assert_allclose(tanh, np.tanh(exact), rtol=0, atol=3e-7)


def test_gradients_do_not_depend_on_the_number_of_threads() -> None:
    inputs, weights = problem(Sizes(rows=200, steps=9, points=20, lags=3, features=2, cells=6, layers=2, outputs=2))
    found = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        found.append(torch.autograd.grad(outputs(inputs, weights, HASHED).sum(), [inputs.base, weights[0]]))
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


def test_as_many_units_keep_their_state_as_asked() -> None:
    sizes = Sizes(rows=256, steps=60, points=60, lags=0, features=1, cells=10, layers=1, outputs=1)
    inputs, weights = problem(sizes)
    threshold = round(0.1 * 65536)
    with torch.no_grad():
        # a state that tells the number of steps in which it moved: the cell adds about 1 whenever it does
        inputs.base.fill_(20.0)
        for weight in weights[:2]:
            weight.zero_()
        weights[-2].fill_(0.1)
        weights[-1].zero_()
    state = np.empty((256, 1, 2, 10), np.float32)
    whole = recurrent.packed(sizes, [weight.detach().numpy() for weight in weights])
    given = [t.detach().numpy() for t in (inputs.history, inputs.places, inputs.features, inputs.base)]
    compiled.forward(sizes, whole, *given, Zoneout(7, 9, threshold), None, None, state, 0, sizes.blocks)
    moved = state[:, 0, 1]
    # 153,600 draws: five standard errors are 0.004
    assert abs(1 - moved.mean() / 60 - 0.1) < 0.004
    # units are independent, so counts of rows vary as binomial ones do
    assert 0.8 < moved.sum(axis=1).var() / (600 * 0.1 * 0.9) < 1.25
    assert np.abs(np.corrcoef(moved.T) - np.eye(10)).max() < 0.25


def test_memory_is_used_again_only_when_it_is_free() -> None:
    tapes = Tapes()
    one, two = tapes.take(100), tapes.take(100)
    assert not np.shares_memory(one, two)
    tapes.give(one)
    assert np.shares_memory(tapes.take(80), one)
    assert one.ctypes.data % 64 == 0


def test_the_way_back_is_gone_once() -> None:
    inputs, weights = problem(Sizes(rows=2, steps=4, points=9, lags=2, features=1, cells=2, layers=1, outputs=2))
    result = outputs(inputs, weights, HASHED).sum()
    torch.autograd.grad(result, weights[0], retain_graph=True)
    with pytest.raises(RuntimeError, match="the way back was gone before, which uses up what the way there kept"):
        torch.autograd.grad(result, weights[0])


def test_without_gradients_outputs_are_the_same() -> None:
    inputs, weights = problem(Sizes(rows=40, steps=9, points=20, lags=2, features=1, cells=5, layers=2, outputs=2))
    with torch.no_grad():
        found = outputs(inputs, weights, HASHED)
    assert torch.equal(found, outputs(inputs, weights, HASHED))


def test_a_batch_without_rows_has_gradients_of_zero() -> None:
    inputs, weights = problem(Sizes(rows=2, steps=4, points=9, lags=2, features=1, cells=2, layers=1, outputs=2))
    none = Inputs(inputs.history[:0], inputs.places, inputs.features[:0], inputs.base[:0])
    result = outputs(none, weights, HASHED)
    assert result.shape == (0, 4, 2)
    assert not torch.autograd.grad(result.sum(), weights[0])[0].any()


def test_arrays_of_another_size_or_type_are_refused() -> None:
    sizes = Sizes(rows=3, steps=4, points=9, lags=2, features=1, cells=2, layers=1, outputs=2)
    inputs, weights = problem(sizes)
    arrays = [weight.detach().numpy() for weight in weights]
    with pytest.raises(ValueError, match="weights: 24 numbers of kind f are needed; got 32 bytes of f"):
        recurrent.packed(sizes, [arrays[0][:1, :].repeat(1, 0)[:, [0, 0, 0, 0, 0, 0, 0, 0]], *arrays[1:]])
    with pytest.raises(ValueError, match="head: 4 numbers of kind f are needed; got 32 bytes of d"):
        recurrent.packed(sizes, [*arrays[:3], arrays[3].astype(np.float64), arrays[4]])
    with pytest.raises(ValueError, match="cells: 1 to 65536 is needed; got 0"):
        compiled.measure(sizes._replace(cells=0))
    with pytest.raises(ValueError, match="lanes: 0, 4, or 8 or 16 where this machine has them, are needed; got 5"):
        compiled.measure(sizes._replace(lanes=5))
    whole = recurrent.packed(sizes, arrays)
    raw = np.empty((3, 4, 2), np.float32)
    history, places, features, base = (
        t.detach().numpy() for t in (inputs.history, inputs.places, inputs.features, inputs.base)
    )
    with pytest.raises(ValueError, match="places: points of the history are needed"):
        compiled.forward(sizes, whole, history, places + 9, features, base, Zoneout(), None, raw, None, 0, 1)
    with pytest.raises(ValueError, match="blocks: a range of those of the rows is needed"):
        compiled.forward(sizes, whole, history, places, features, base, Zoneout(), None, raw, None, 0, 2)
