"""Ensembles against each member alone, values and gradients in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from mfbench.models.build import build_model
from mfbench.models.ensemble import Ensemble, ensemble_error
from mfbench.models.model import SequenceModel
from tests.conftest import architecture_settings
from tests.models.test_contract import LENGTH, VARIANTS, WIDTH, disturbed, identify

MEMBERS = 3


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def compare(ensemble: Ensemble, models: list[SequenceModel], x: Tensor, slow: Any) -> None:
    """Compare outputs of an ensemble, and gradients by parameters and input, with each model's."""
    together = ensemble(x)
    weights = torch.randn_like(together)
    by_x = torch.autograd.grad((together * weights).sum(), x, retain_graph=True)[0]
    gradients = ensemble.split(ensemble.gradient((together * weights).sum((1, 2, 3))))
    for m, (model, x_m) in enumerate(zip(models, x.unbind(), strict=True)):
        y = slow(model, x_m)
        torch.testing.assert_close(together[m], y, rtol=1e-10, atol=1e-12)
        named = dict(model.named_parameters())
        want = torch.autograd.grad((y * weights[m]).sum(), [x_m, *named.values()])
        torch.testing.assert_close(by_x[m], want[0], rtol=1e-9, atol=1e-11)
        for name, gradient in zip(named, want[1:], strict=True):
            torch.testing.assert_close(gradients[name][m], gradient, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("name", "changes"), VARIANTS, ids=identify)
def test_an_ensemble_equals_its_members(name: str, changes: dict[str, Any]) -> None:
    settings = architecture_settings(name, **copy.deepcopy(changes))
    built = [build_model(settings, width=WIDTH, length=LENGTH) for _ in range(MEMBERS)]
    models = [disturbed(model) for model in built]
    x = torch.randn(MEMBERS, 2, LENGTH, 1, requires_grad=True)
    ensemble = Ensemble(models)
    assert ensemble.linear == models[0].linear
    assert len(ensemble) == MEMBERS
    compare(ensemble, models, x, lambda model, x_m: model(x_m))
    assert ensemble_error(models, x.detach()) is None


@pytest.mark.parametrize("members", [1, MEMBERS])
@pytest.mark.parametrize(
    ("name", "options"),
    [("rnn", {}), ("rnn", {"nonlinearity": "identity"}), ("gru", {}), ("lstm", {}), ("lru", {})],
)
def test_an_ensemble_of_recurrences_equals_each_step_by_step(
    name: str, options: dict[str, Any], members: int
) -> None:
    settings = architecture_settings(name, options=options)
    models = [build_model(settings, width=WIDTH, length=LENGTH) for _ in range(members)]
    x = torch.randn(members, 2, LENGTH, 1, requires_grad=True)
    compare(Ensemble(models), models, x, lambda model, x_m: model.recur(x_m))


@pytest.mark.parametrize("members", [1, MEMBERS])
def test_members_follow_their_rows_of_the_parameters(members: int) -> None:
    settings = architecture_settings("s4d")
    models = [build_model(settings, width=WIDTH, length=LENGTH) for _ in range(members)]
    ensemble, x = Ensemble(models), torch.randn(members, 2, LENGTH, 1)
    other = build_model(settings, width=WIDTH, length=LENGTH)
    assert ensemble(x)[-1].sub(other(x[-1])).abs().max() > 0
    ensemble.parameters[-1] = ensemble.row(dict(other.named_parameters())).detach()
    torch.testing.assert_close(ensemble(x)[-1], other(x[-1]))
    state = ensemble.state(ensemble.parameters[-1], {})
    assert state.keys() == other.state_dict().keys()
    for name, tensor in other.state_dict().items():
        assert torch.equal(state[name], tensor)


def test_odd_widths_need_no_aligned_memory() -> None:
    settings = architecture_settings("s4d", options={"state": 2})
    models = [build_model(settings, width=3, length=LENGTH) for _ in range(MEMBERS)]
    ensemble = Ensemble(models)
    assert ensemble.parameters.shape[1] % 2 == 1  # rows start at odd offsets
    assert ensemble(torch.randn(MEMBERS, 2, LENGTH, 1)).isfinite().all()


USERS = """
import torch
from torch import nn
from mfbench.models.mixer import Mixer


class Base(Mixer):
    def __init__(self, width, layer, length):
        super().__init__()
        self.W = nn.Linear(width, width)
        self.fixed = torch.randn(width)
        self.register_buffer("mean", torch.zeros(width))


class Plain(Base):
    def forward(self, u):
        return self.W(u)


class Item(Base):
    def forward(self, u):
        return self.W(u) * float(self.W.weight.detach().sum().item())


class Own(Base):
    '''Draws numbers and keeps them where no ensemble can see them.'''
    def forward(self, u):
        return self.W(u) * self.fixed


class Dropped(Base):
    def forward(self, u):
        return nn.functional.dropout(self.W(u), 0.5, self.training)


class Recurrent(Base):
    def __init__(self, width, layer, length):
        super().__init__(width, layer, length)
        self.cell = nn.GRU(width, width, batch_first=True)

    def forward(self, u):
        return self.cell(u)[0]


class Running(Base):
    '''Changes a buffer in place.'''
    def forward(self, u):
        if self.training:
            self.mean.mul_(0.9).add_(u.detach().mean((0, 1)), alpha=0.1)
        return self.W(u) - self.mean


class Replacing(Base):
    '''Replaces a buffer by another tensor.'''
    def forward(self, u):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * u.detach().mean((0, 1))
        return self.W(u) - self.mean


class OutOfMemory(Base):
    def forward(self, u):
        raise MemoryError("no more")
"""


def users(tmp_path, name: str) -> list[SequenceModel]:
    (tmp_path / "users.py").write_text(USERS)
    settings = architecture_settings(f"{tmp_path / 'users.py'}:{name}")
    return [build_model(settings, width=WIDTH, length=LENGTH) for _ in range(2)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Plain", None),
        ("Running", None),
        ("Item", "item"),
        ("Own", "outputs differ between an ensemble and its members alone"),
        ("Dropped", "called random operation"),
        ("Recurrent", "RuntimeError: "),
        ("Replacing", "values of the buffer layers.0.mixer.mean differ between an ensemble"),
    ],
)
def test_models_that_cannot_run_as_one_are_recognised(
    name: str, message: str | None, tmp_path
) -> None:
    models = users(tmp_path, name)
    before = [{k: v.clone() for k, v in model.state_dict().items()} for model in models]
    error = ensemble_error(models, torch.randn(2, 2, LENGTH, 1))
    if message is None:
        assert error is None
    else:
        assert error is not None
        assert message in error
    for model, state in zip(models, before, strict=True):  # only copies were run
        assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())
        assert model.training


def test_running_out_of_memory_is_raised(tmp_path) -> None:
    with pytest.raises(MemoryError, match="no more"):
        ensemble_error(users(tmp_path, "OutOfMemory"), torch.randn(2, 2, LENGTH, 1))
