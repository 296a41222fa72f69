"""Lower layers never import higher ones, and importing mfbench costs nothing."""

from __future__ import annotations

import subprocess
import sys

import grimp
import pytest

from tests.conftest import REPOSITORY

# In the order of the data: each package may import those above it, and these libraries.
LAYERS: list[tuple[str, set[str]]] = [
    ("words", set()),
    ("files.paths", set()),
    ("files", {"numpy", "netCDF4"}),
    ("tasks.kernels", {"numpy", "scipy", "netCDF4"}),
    ("models.registry", set()),
    ("study", {"numpy", "pydantic", "pydantic_core", "yaml"}),
    ("tasks", {"numpy", "netCDF4"}),
    ("floors", {"numpy", "scipy", "netCDF4"}),
    ("baselines", {"numpy", "netCDF4"}),
    ("models", {"numpy", "pydantic", "torch"}),
    ("study.schema", set()),
    ("training", {"numpy", "torch", "safetensors", "netCDF4"}),
    ("evaluation", {"numpy", "torch", "safetensors", "netCDF4", "xarray"}),
    ("cube", {"numpy", "scipy", "netCDF4", "xarray"}),
    ("predictions", {"numpy", "scipy", "xarray", "pandas"}),
    ("figures", {"numpy", "xarray", "pandas", "altair", "vl_convert"}),
    ("report", {"numpy", "xarray", "pandas", "altair", "jinja2", "yaml"}),
    ("api", {"numpy", "pydantic", "torch", "netCDF4", "xarray", "altair"}),
    ("workflow", {"grimp", "netCDF4", "snakemake", "yaml"}),
    ("commands", {"rich", "typer", "netCDF4"}),
    ("__main__", set()),
]


def layer_of(module: str) -> int:
    """The layer of the most specific name that covers a module."""
    name = module.removeprefix("mfbench.")
    fits = [
        (len(prefix), i)
        for i, (prefix, _) in enumerate(LAYERS)
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


def test_a_package_uses_its_own_libraries_alone(graph: grimp.ImportGraph) -> None:
    foreign = []
    for module in modules(graph):
        allowed = LAYERS[layer_of(module)][1]
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


def test_the_interface_is_there_on_first_use_and_listed() -> None:
    import mfbench as mf

    assert all(callable(getattr(mf, name)) for name in mf.__all__)
    assert callable(mf.cube.selected)
    assert mf.__version__
    assert {*mf.__all__, "__version__", "cube", "tasks"} <= set(dir(mf))
    assert not [name for name in dir(mf) if name.startswith("_") and name != "__version__"]
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mf.nonsense
