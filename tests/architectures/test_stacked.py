"""Stacks of models against their members one by one, values and gradients in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from mfbench.architectures.build import build_model
from mfbench.architectures.gru import GRU
from mfbench.architectures.lstm import LSTM
from mfbench.architectures.mixer import RecurrentMixer
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.rnn import RNN
from mfbench.architectures.stacked import StackedModel, stacked_buffers, stacking_error
from tests.architectures.test_contract import LENGTH, VARIANTS, WIDTH, identify
from tests.conftest import architecture_settings

MEMBERS = 3


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def stacked(parts: list[nn.Module]) -> dict[str, Tensor]:
    """Parameters of all, as leaves."""
    named = [dict(part.named_parameters()) for part in parts]
    return {
        name: torch.stack([p[name].detach() for p in named]).requires_grad_() for name in named[0]
    }


def compare(
    together: Tensor,
    leaves: dict[str, Tensor],
    x: Tensor,
    alone: list[tuple[Tensor, nn.Module, Tensor]],
) -> None:
    """Outputs of a stack, and gradients by parameters and input, against (output, part, input)."""
    weights = torch.randn_like(together)
    got = torch.autograd.grad((together * weights).sum(), [*leaves.values(), x])
    for m, (y, part, x_m) in enumerate(alone):
        torch.testing.assert_close(together[m], y, rtol=1e-10, atol=1e-12)
        want = torch.autograd.grad((y * weights[m]).sum(), [*part.parameters(), x_m])
        for a, b in zip(got, want, strict=True):
            torch.testing.assert_close(a[m], b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("name", "changes"), VARIANTS, ids=identify)
def test_a_stack_of_models_is_its_members(name: str, changes: dict[str, Any]) -> None:
    settings = architecture_settings(name, **copy.deepcopy(changes))
    models = [build_model(settings, width=WIDTH, length=LENGTH) for _ in range(MEMBERS)]
    leaves = stacked(models)
    x = torch.randn(MEMBERS, 2, LENGTH, 1, requires_grad=True)
    stack = StackedModel(models[0], leaves, stacked_buffers(models))
    assert stack.linear == models[0].linear
    compare(
        stack(x), leaves, x, [(m(x_m), m, x_m) for m, x_m in zip(models, x.unbind(), strict=True)]
    )
    assert stacking_error(models, x[..., 0].detach()) is None


@pytest.mark.parametrize(
    ("mixer", "options"), [(RNN, {}), (RNN, {"nonlinearity": "identity"}), (GRU, {}), (LSTM, {})]
)
def test_stacked_scans_are_the_recurrences_step_by_step(
    mixer: type[RecurrentMixer], options: dict[str, Any]
) -> None:
    mixers = [mixer(5, 0, 9, **options) for _ in range(MEMBERS)]
    template = copy.deepcopy(mixers[0])
    template.stacked = True
    leaves, u = stacked(mixers), torch.randn(MEMBERS, 2, 9, 5, requires_grad=True)
    together = vmap(lambda p, u: functional_call(template, p, (u,)))(leaves, u)
    pairs = zip(mixers, u.unbind(), strict=True)
    compare(together, leaves, u, [(m.recur(u_m), m, u_m) for m, u_m in pairs])


def test_odd_widths_need_no_aligned_memory() -> None:
    settings = architecture_settings("s4d", options={"state": 2})
    models = [build_model(settings, width=3, length=LENGTH) for _ in range(MEMBERS)]
    named = dict(models[0].named_parameters())
    size = sum(p.numel() for p in named.values())
    assert size % 2 == 1  # so that rows of one matrix start at odd places
    matrix = torch.randn(MEMBERS, size)
    start, views = 0, {}
    for name, parameter in named.items():
        part = matrix[:, start : start + parameter.numel()]
        views[name] = part.view(MEMBERS, *parameter.shape)
        start += parameter.numel()
    stack = StackedModel(models[0], views, {})
    assert stack(torch.randn(MEMBERS, 2, LENGTH, 1)).isfinite().all()


USERS = """
import torch
from torch import nn
from mfbench.architectures.mixer import Mixer


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
        return self.W(u) * float(self.W.weight.sum().item())


class Own(Base):
    '''Draws numbers and keeps them where no stack can see them.'''
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
    '''Puts another tensor in the place of a buffer.'''
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
        ("Own", "outputs in a stack are not those of the members alone"),
        ("Dropped", "called random operation"),
        ("Recurrent", "RuntimeError: "),
        ("Replacing", "values of the buffer layers.0.mixer.mean in a stack are not"),
    ],
)
def test_models_that_cannot_be_stacked_are_recognised(
    name: str, message: str | None, tmp_path
) -> None:
    models = users(tmp_path, name)
    before = [{k: v.clone() for k, v in model.state_dict().items()} for model in models]
    error = stacking_error(models, torch.randn(2, 2, LENGTH))
    if message is None:
        assert error is None
    else:
        assert error is not None
        assert message in error
    for model, state in zip(models, before, strict=True):  # copies were tried
        assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())
        assert model.training


def test_running_out_of_memory_is_no_reason_to_train_one_by_one(tmp_path) -> None:
    with pytest.raises(MemoryError, match="no more"):
        stacking_error(users(tmp_path, "OutOfMemory"), torch.randn(2, 2, LENGTH))
