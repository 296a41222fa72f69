"""What every model promises.

Each promise is a function of a trial, which holds an untrained model in evaluation mode. The
function raises a BrokenPromiseError that says what was found and what to change, or adds a warning
to the trial. `mfbench.models.judging` checks them all.
"""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mfbench.models.ensemble import trained_parameters
from mfbench.models.mixer import Mixer
from mfbench.models.model import Part
from mfbench.models.own_code import ArchitectureError, own_code
from mfbench.models.trial import Trial, apart, changes, seeded, size_of
from mfbench.models.whole import WholeModel

# Types that numpy, safetensors and every step of training can hold.
STORED = frozenset(
    {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
    | {torch.float16, torch.float32, torch.float64, torch.complex64}
)
_STEPS = 1024  # at most, because the step form of a recurrence is slow
_MODULE = frozenset(vars(nn.Module()))  # torch's own attributes
_GPU_ALONE = re.compile("cuda|triton|gpu", re.IGNORECASE)  # in an error on the CPU


class BrokenPromiseError(ValueError):
    """A model breaks a promise."""


@dataclass(frozen=True)
class Promise:
    """A promise of every model.

    Attributes
    ----------
    name : str
    check : callable
        Gets a trial and the tolerance.
    tolerance : float
        Largest difference that counts as rounding, relative to the largest output.
    disturbed : bool
        Whether it is also checked at disturbed parameters.
    needs : tuple of str
        Promises without which it cannot be judged.
    """

    name: str
    check: Callable[[Trial, float], None]
    tolerance: float = 0.0
    disturbed: bool = False
    needs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is promised, in one line."""
        return (self.check.__doc__ or "").partition("\n")[0]


def declarations(trial: Trial, _: float) -> None:
    """What the model declares about itself has the right type."""
    model = trial.model
    if isinstance(model, WholeModel) and len(model.step_form) == 1:
        (found,) = model.step_form
        (other,) = {"initial_state", "step"} - {found}
        raise BrokenPromiseError(
            f"the model has {found} but not {other}: a step form needs both; rename {found} if it "
            "is something else"
        )
    for part in model.parts():
        declared: Any = part.module
        for name in ("state_size", "receptive_field", "maximum_length"):
            value = getattr(declared, name)
            if value is not None and not (isinstance(value, int) and value >= 1):
                raise BrokenPromiseError(
                    f"{name} is {value!r}: declare a number of at least 1, or None"
                )
        if not isinstance(declared.linear, bool):
            raise BrokenPromiseError(f"linear is {declared.linear!r}: declare True or False")
        taken = {"layers", "norm", "residual", "activation"} & part.module._modules.keys()
        if isinstance(part.module, Mixer) and taken:
            names = ", ".join(sorted(taken))
            raise BrokenPromiseError(
                f"self.{names} has the name of a setting of the stack: rename the submodule"
            )
    limit = model.maximum_length
    if limit is not None and limit < trial.length:
        raise BrokenPromiseError(
            f"the sequences of the study have {trial.length} steps, but the model declares "
            f"maximum_length = {limit}"
        )
    model.parameter_groups()


def types(trial: Trial, _: float) -> None:
    """Trained parameters are float32, and all parameters and buffers can be saved."""
    model, right = trial.model.root, torch.get_default_dtype()
    if not trained_parameters(model):
        raise BrokenPromiseError(
            "the model has no parameter to train: a list of modules must be an nn.ModuleList, and "
            "a tensor an nn.Parameter"
        )
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name, tensor in held.items():
        if tensor.requires_grad and tensor.is_complex():
            raise BrokenPromiseError(
                f"complex parameters are not supported: store real and imaginary parts of {name}"
            )
        if tensor.requires_grad and tensor.dtype != right:
            raise BrokenPromiseError(
                f"the parameter {name} is {_name(tensor)}, but trained parameters must be "
                f"{_name(right)}: convert it with .to(torch.{_name(right)}), or set "
                "requires_grad=False if it is not trained"
            )
        if tensor.dtype not in STORED or tensor.layout is not torch.strided:
            cure = "torch.view_as_real(...)" if tensor.is_complex() else f"torch.{_name(right)}"
            raise BrokenPromiseError(
                f"{name} is {_name(tensor)}, which mfbench cannot save: store it as {cure}"
            )


def _name(kind: Tensor | torch.dtype) -> str:
    dtype = kind.dtype if isinstance(kind, Tensor) else kind
    return str(dtype).removeprefix("torch.")


def moved(trial: Trial, _: float) -> None:
    """The model runs on the device to which it was moved."""
    left = [
        _named(at, key)
        for at, module in trial.model.root.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, Tensor) and value.device != trial.model.like.device
    ]
    if not left:
        return
    try:
        with own_code():
            trial.run(trial.inputs(2))
    except ArchitectureError as error:
        raise BrokenPromiseError(
            f"{error}: {', '.join(left)} did not move to the GPU with the model; use "
            "self.register_buffer(name, tensor)"
        ) from error


def output(trial: Trial, _: float) -> None:
    """The output is finite and has the right type. (The model itself checks the shape.)"""
    for part in trial.model.parts():
        x = trial.inputs_of(part, 2)
        try:
            with torch.no_grad(), own_code():
                y = part.module(x)
        except ArchitectureError as error:
            raise BrokenPromiseError(f"{error}{_hint(error, x)}") from error
        if isinstance(y, Tensor) and y.dtype != x.dtype:
            raise BrokenPromiseError(
                f"{part.name} makes {_name(y)} of {_name(x)}: a tensor in it has another type "
                f"than the input; return y.to({'x' if part.module is trial.model else 'u'}.dtype)"
            )
    if not trial.run(trial.inputs(2)).isfinite().all():
        raise BrokenPromiseError("the output of the untrained model is not finite")


def _hint(error: ArchitectureError, x: Tensor) -> str:
    """What the author may want to know about an error in forward()."""
    if x.device.type == "cpu" and _GPU_ALONE.search(str(error)):
        return "; if the model runs on a GPU only, train it on a machine that has one"
    if isinstance(error.__cause__, RuntimeError):  # as those of torch about shapes
        return f" (the input has the shape {tuple(x.shape)}: batch, time, channels)"
    return ""


def deterministic(trial: Trial, tolerance: float) -> None:
    """The same input gives the same output."""
    x = trial.inputs(2)
    first = trial.run(x)
    if apart(first, trial.run(x)) > tolerance * size_of(first):
        raise BrokenPromiseError(
            "the model returns different outputs for the same input: in evaluation mode, forward() "
            "must neither draw random numbers nor keep anything from one call to the next"
        )


def stored(trial: Trial, tolerance: float) -> None:
    """A second model, built from another random state, equals the first once it loads its state."""
    model = trial.model.root
    state = model.state_dict()
    named = {
        name
        for each in (model.named_parameters, model.named_buffers)
        for name, _ in each(remove_duplicate=False)
    }
    if extra := [name for name in state if name not in named]:
        raise BrokenPromiseError(
            f"its state_dict has {', '.join(extra)}, which is neither a parameter nor a buffer: "
            "make it one"
        )
    with seeded(1):
        other = trial.build().to(trial.model.like.device).eval()
    try:
        other.root.load_state_dict({name: tensor.clone() for name, tensor in state.items()})
    except RuntimeError as error:
        text = " ".join(str(error).split())
        raise BrokenPromiseError(
            f"a second model cannot load the saved state of the first: {text}"
        ) from error
    x = trial.inputs(2)
    first = trial.run(x)
    if apart(first, replace(trial, model=other).run(x)) > tolerance * size_of(first):
        names = ", ".join(_unsaved(model, other.root)) or "something random in its constructor"
        raise BrokenPromiseError(
            f"a second model with the saved state has a different output: {names} is not saved; "
            "use self.register_buffer(name, tensor), nn.Parameter(tensor), or nn.ModuleList for a "
            "list of modules"
        )


def _unsaved(one: nn.Module, other: nn.Module) -> Iterator[str]:
    """Names of plain attributes and of buffers that differ between two models."""
    theirs = dict(other.named_modules())
    for at, module in one.named_modules():
        for kept in (vars(module), module._buffers):
            for key, value in kept.items():
                twin = theirs.get(at)
                found = twin and {**vars(twin), **twin._buffers}.get(key)
                if key not in _MODULE and _differ(value, found):
                    yield _named(at, key)


def _named(at: str, key: str) -> str:
    """The name of an attribute of a module with the name `at`; that of the root is empty."""
    return f"{at or 'self'}.{key}"


def _differ(one: Any, other: Any) -> bool:
    """Whether two values differ in what pickle sees; what it cannot hold counts as equal."""
    try:
        return pickle.dumps(one) != pickle.dumps(other)
    except Exception:  # each type has errors of its own
        return False


def independent(trial: Trial, tolerance: float) -> None:
    """A sequence's output does not depend on the others in its batch."""
    x = trial.inputs(3)
    y = trial.run(x)
    worst = apart(trial.run(x[:1]), y[:1])
    # A GPU may round differently for another number of sequences, and chaos makes it large.
    rounded = x.clone()
    rounded[..., 0] *= 1 + torch.finfo(x.dtype).eps
    if worst <= 100 * apart(trial.run(rounded), y):
        worst = 0.0
    for i in range(len(x)):
        others = trial.inputs(len(x))
        others[i] = x[i]
        worst = max(worst, apart(trial.run(others)[i], y[i]))
    if worst > tolerance * size_of(y):
        raise BrokenPromiseError(
            "a sequence's output depends on the other sequences in its batch"
            + (
                ": the model mistakes the batch for time. It gets (B, T, C); some modules of "
                "torch expect (T, B, C) unless batch_first=True"
                if _axes_swapped(trial, x, y, tolerance)
                else ", in evaluation mode: mix steps (dim 1) and channels (dim 2) only"
            )
        )


def _axes_swapped(trial: Trial, x: Tensor, y: Tensor, tolerance: float) -> bool:
    """Whether a step affects the same step of all later sequences, and nothing else."""
    step, reaches = trial.length // 2, []
    for i in range(len(x)):
        changed = x.clone()
        changed[i, step, 0] = trial.draw(1)[0]
        change = (trial.run(changed) - y).abs() > tolerance * size_of(y)
        reaches.append(change[:, step].tolist())
        change[:, step] = False
        if change.any():
            return False
    return all(not any(row[:i]) for i, row in enumerate(reaches)) and reaches[0][1]


def causal(trial: Trial, tolerance: float) -> None:
    """New values of x from step s on change no output before s, for every s.

    If T copies of a sequence cost too much, as many random s as fit are tested.
    """
    cuts, change, size = changes(trial, trial.whole, from_cut_on=True)
    steps = torch.arange(trial.length)
    leak = torch.where(steps < cuts[:, None], change, 0.0)
    if leak.max() > tolerance * size:
        t = int(leak.max(0).values.argmax())
        s = int(cuts[leak[:, t] > tolerance * size].max())
        raise BrokenPromiseError(
            f"the model is not causal: y_t depends on x_(t+k) at t = {t}, k = {s - t}: "
            f"new values of x from step {s} on changed y_{t} by {float(leak[:, t].max()):.2g} "
            "(steps count from 0); an output may use x only up to its own step"
        )


def linear(trial: Trial, tolerance: float) -> None:
    """A model that declares itself linear is additive and homogeneous."""
    if not trial.model.linear:
        return
    x, z = trial.inputs(2)
    f_x, f_z, f_sum, f_large = trial.run(torch.stack((x, z, x + z, -100 * x)))
    size = max(size_of(f_x), size_of(f_z), size_of(f_sum))
    if apart(f_sum, f_x + f_z) > tolerance * size:
        found = "f(x + z) is not f(x) + f(z)"
    elif apart(f_large, -100 * f_x) > 100 * tolerance * size:
        found = "f(-100 x) is not -100 f(x)"
    else:
        return
    raise BrokenPromiseError(
        f"the model declares itself linear, but {found}: declare linear = False"
    )


def receptive_field(trial: Trial, tolerance: float) -> None:
    """Nothing from beyond a declared receptive field reaches the output."""
    for part in trial.model.parts():
        declared = _receptive_field(part)
        if declared is None or declared >= trial.length:
            continue
        lags, change, size = _past(trial, part)
        far = lags[change > tolerance * size]
        if far.numel() and far.max() >= declared:
            raise BrokenPromiseError(
                f"{part.name} declares receptive_field = {declared}, the lags 0 to "
                f"{declared - 1}, but its output depends on its input at lag {far.max()}: "
                f"declare {far.max() + 1} or more{_or_unlimited(trial, part)}"
            )


def reached(trial: Trial, tolerance: float) -> None:
    """The last lag of a declared receptive field reaches the output at some step."""
    for i, part in enumerate(trial.model.parts()):
        declared = _receptive_field(part)
        if declared is None or declared > trial.length:
            continue
        most = 0
        for _attempt in range(8):  # a gate may be closed at some parameters
            if most < declared - 1 and (other := trial.disturb(1.0)) is not None:
                lags, change, _ = _past(other, other.model.parts()[i])
                most = max([most, *lags[change > tolerance].tolist()])
        if most < declared - 1:
            raise BrokenPromiseError(
                f"{part.name} declares receptive_field = {declared}, but no input beyond lag "
                f"{most} reaches its output: declare {most + 1}{_or_unlimited(trial, part)}"
            )


def _or_unlimited(trial: Trial, part: Part) -> str:
    """Further advice if the last lag reaches the output, however little of it."""
    module = copy.deepcopy(part.module).train()  # cuDNN has no gradients in evaluation mode
    x = trial.inputs_of(part, 4).requires_grad_()
    y = module(x)[:, -1]
    if not y.requires_grad:
        return ""
    # Gradients, because a decaying response soon vanishes in the rounding errors of outputs.
    (gradient,) = torch.autograd.grad((y * trial.draw(*y.shape)).sum(), x, materialize_grads=True)
    return ", or None, if it is unlimited" if gradient[:, 0].any() else ""


def _receptive_field(part: Part) -> int | None:
    declares: Any = part.module
    return declares.receptive_field


def _past(trial: Trial, part: Part) -> tuple[Tensor, Tensor, float]:
    """Smallest lag of a changed input, and the change it makes, both (S, T); largest output."""
    cuts, change, size = changes(trial, part, from_cut_on=False)
    return torch.arange(trial.length) - (cuts[:, None] - 1), change, size


def state_size(trial: Trial, tolerance: float) -> None:
    """The response of a linear model has no higher order than its state.

    Inputs in the first half of the sequence reach outputs in the second half only through the
    state in the middle. So the matrix of these responses (a Hankel matrix if the model is
    time-invariant) has a rank of at most n, the size of the state. Rounding adds a matrix E, and by
    Weyl's inequality singular value n + 1 of the sum is at most the norm of E. Each step adds a few
    rounding errors of relative size eps to a number. So an entry of E is at most T times the
    tolerance of 8 eps times the largest response, and the norm of E at most that times the square
    root of its number of entries.
    """
    model, middle = trial.model, trial.length // 2
    if not model.linear or model.state_size is None:
        return
    count = min(middle, trial.copies)
    if model.state_size >= count:
        return
    impulses = trial.inputs(count) * 0
    impulses[torch.arange(count), middle - 1 - torch.arange(count), 0] = 1.0
    y = trial.run(impulses)
    response = y[:, middle:].double()
    values = torch.linalg.svdvals(response)
    rounding = tolerance * trial.length * size_of(y) * response.numel() ** 0.5
    order = int((values > rounding).sum())
    if order > model.state_size:
        raise BrokenPromiseError(
            f"the model declares state_size = {model.state_size}, but its response has an order of "
            f"at least {order} (singular value {model.state_size + 1} is "
            f"{float(values[model.state_size]):.2g}, rounding at most {rounding:.2g}): declare the "
            "number of real numbers that it carries from one step to the next, or None"
        )


def step_form(trial: Trial, tolerance: float) -> None:
    """A recurrence gives the same output step by step as all at once."""
    for part in trial.model.parts():
        if part.recur is None:
            continue
        x = trial.inputs_of(part, 2, length=min(trial.length, _STEPS))
        with torch.no_grad():
            parallel, slow = part.module(x), part.recur(x)
        if slow.shape != parallel.shape:
            raise BrokenPromiseError(
                f"{part.name} maps {tuple(x.shape)} to {tuple(slow.shape)} step by step and to "
                f"{tuple(parallel.shape)} all at once: step() gets (B, {part.channels}) and a "
                f"state, and must return (B, {parallel.shape[-1]}) and the next state"
            )
        apart = (parallel - slow).abs().amax((0, 2))
        if apart.max() > tolerance * size_of(parallel):
            t = int(torch.nonzero(apart > tolerance * size_of(parallel))[0])
            raise BrokenPromiseError(
                f"{part.name} gives different outputs step by step and all at once, from step {t} "
                "on: step() and forward() must compute the same"
            )


def gradients(trial: Trial, _: float) -> None:
    """Gradients are finite and reach every parameter (an unreached one is only a warning)."""
    found = _gradients(trial)
    if broken := [name for name, gradient in found.items() if not gradient.isfinite().all()]:
        raise BrokenPromiseError(
            f"gradients of {', '.join(broken)} are not finite at the start: look for a square "
            "root, a norm or a logarithm at 0"
        )
    unused = [name for name, gradient in found.items() if not gradient.any()]
    for _attempt in range(8):  # a rectifier may be off at some parameters
        if unused and (other := trial.disturb(1.0)) is not None:
            found = _gradients(other)
            unused = [name for name in unused if not found[name].any()]
    if unused:
        trial.warnings.append(
            f"no gradient reaches {', '.join(unused)}: only weight decay would change it; remove "
            "it, or set requires_grad=False"
        )


def _gradients(trial: Trial) -> dict[str, Tensor]:
    """Gradients of a loss by name."""
    model = copy.deepcopy(trial.model).train()
    parameters = trained_parameters(model.root)
    x, y = trial.inputs(4), trial.draw(4, trial.length, 1)
    loss = (model(x) - y).square().mean()
    found = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
    return dict(zip(parameters, found, strict=True))


def lengths(trial: Trial, _: float) -> None:
    """The model runs at the lengths of the evaluation, up to `maximum_length` (else a warning)."""
    limit = trial.model.maximum_length
    for length in sorted(trial.longer):
        if limit is not None and length > limit:
            return
        try:
            with own_code():
                trial.run(trial.inputs(2, length=length))
        except ArchitectureError as error:
            trial.warnings.append(
                f"it does not run on sequences of {length} steps, which the evaluation will use "
                f"({error}): its errors there will be NaN; declare the limit as maximum_length"
            )
            return


def in_training(trial: Trial, tolerance: float) -> None:
    """In training mode, too, outputs depend on neither batch nor future (else a warning)."""
    x = trial.inputs(4)
    changed, half = trial.inputs(4), trial.length // 2
    changed[0, :half] = x[0, :half]
    outputs = []
    for inputs in (x, changed):
        with seeded(0):  # the same draws of dropout
            other = replace(trial, model=copy.deepcopy(trial.model).train())
            outputs.append(other.run(inputs)[0, :half])
    if half and apart(*outputs) > tolerance * size_of(outputs[0]):
        trial.warnings.append(
            "in training mode, an output depends on the other sequences or on later steps, as with "
            "batch normalisation: normalise each step by itself (nn.LayerNorm or nn.RMSNorm)"
        )


_EPS = float(torch.finfo(torch.float32).eps)
# The tolerances allow for FFTs and scans, which spread rounding errors over time.
PROMISES = (
    Promise("declarations", declarations),
    Promise("types", types),
    Promise("moved", moved),
    Promise("output", output, needs=("moved",)),
    Promise("deterministic", deterministic, 1e-5, needs=("output",)),
    Promise("stored", stored, 1e-5, needs=("deterministic",)),
    Promise("independent", independent, 1e-4, disturbed=True, needs=("deterministic",)),
    Promise("causal", causal, 1e-4, disturbed=True, needs=("independent",)),
    Promise("linear", linear, 1e-4, disturbed=True, needs=("declarations", "independent")),
    Promise(
        "receptive field", receptive_field, 1e-4, disturbed=True,
        needs=("declarations", "independent"),
    ),
    Promise("receptive field reached", reached, needs=("declarations", "independent")),
    Promise("state size", state_size, 8 * _EPS, disturbed=True, needs=("linear",)),
    Promise("step form", step_form, 1e-3, disturbed=True, needs=("deterministic",)),
    Promise("gradients", gradients, needs=("output",)),
    Promise("lengths", lengths, needs=("declarations", "output")),
    Promise("in training", in_training, 1e-4, needs=("causal",)),
)  # fmt: skip
