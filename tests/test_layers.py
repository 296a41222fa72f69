"""Lower layers never import higher ones, and importing mfbench costs nothing."""

from __future__ import annotations

import subprocess
import sys

import grimp
import pytest

from tests.conftest import REPOSITORY

# From the bottom up: numpy and scipy, torch, xarray, altair. What a layer's modules may import
# from outside is listed with them; everything below is allowed too.
LAYERS: list[tuple[set[str], set[str]]] = [
    ({"kernels", "floors", "statistics", "boundaries", "storage", "config",
      "architectures.registry", "workflow"},
     {"numpy", "scipy", "pydantic", "pydantic_core", "yaml", "grimp"}),
    ({"architectures", "training", "workflow.failed_cells", "status"},
      {"torch", "safetensors", "netCDF4"}),
    ({"floors.record", "datasets", "evaluation", "aggregation", "cubes", "failure",
      "refinement"}, {"xarray"}),
    ({"predictions"}, {"pandas"}),
    ({"figures", "report"}, {"altair", "jinja2", "vl_convert"}),
    ({"__main__", "commands"}, {"rich"}),
]  # fmt: skip


def layer_of(module: str) -> int:
    """The layer of the most specific name that covers a module."""
    name = module.removeprefix("mfbench.")
    fits = [
        (len(prefix), i)
        for i, (prefixes, _) in enumerate(LAYERS)
        for prefix in prefixes
        if name == prefix or name.startswith(prefix + ".")
    ]
    assert fits, f"{module} is in no layer: add it to LAYERS"
    return max(fits)[1]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "mfbench",
        cache_dir=None,
        include_external_packages=True,
        exclude_type_checking_imports=True,
    )


def modules(graph: grimp.ImportGraph) -> list[str]:
    return sorted(m for m in graph.modules if m.startswith("mfbench."))


def test_lower_layers_never_import_higher_ones(graph: grimp.ImportGraph) -> None:
    upward = [
        f"{module} -> {imported}"
        for module in modules(graph)
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.startswith("mfbench.") and layer_of(imported) > layer_of(module)
    ]
    assert upward == []


def test_a_layer_uses_its_own_libraries_and_those_below(graph: grimp.ImportGraph) -> None:
    foreign = []
    for module in modules(graph):
        allowed = set().union(*(libraries for _, libraries in LAYERS[: layer_of(module) + 1]))
        foreign += [
            f"{module} -> {imported}"
            for imported in graph.find_modules_directly_imported_by(module)
            if not imported.startswith("mfbench")
            and imported not in allowed | set(sys.stdlib_module_names)
        ]
    assert foreign == []


def test_importing_mfbench_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import mfbench; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}; "
        "print(sorted(new - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "['mfbench']"


def test_submodules_are_there_on_first_use() -> None:
    import mfbench

    assert mfbench.tasks.kernels.families()
    assert callable(mfbench.open_benchmark)
    assert mfbench.__version__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mfbench.nonsense
