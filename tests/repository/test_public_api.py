"""The front door stays light and stable: importing is cheap, names are there, --help needs no numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rsd_bench

HEAVY = (
    *("datasets", "torch", "openai", "transformers", "sklearn", "numpy", "pandas", "pyarrow", "matplotlib"),
    *("starlette", "uvicorn", "aiohttp", "prometheus_client"),
)


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr.split()
    )


def test_import_loads_nothing_heavy() -> None:
    assert loaded_after("import rsd_bench; rsd_bench.SCENARIOS, rsd_bench.Scenario") == set()


def test_array_functions_need_neither_datasets_nor_sklearn() -> None:
    code = "import rsd_bench; rsd_bench.score_routing([1], small=[1], large=[2], scenario='fast_response')"
    assert loaded_after(code) <= {"numpy"}


def test_formulas_need_numpy_only() -> None:
    code = "import importlib, pkgutil, rsd_bench.metrics as metrics\n" + (
        "for m in pkgutil.iter_modules(metrics.__path__): importlib.import_module(f'rsd_bench.metrics.{m.name}')"
    )
    assert loaded_after(code) <= {"numpy"}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "sys.argv = ['rsd-bench', '--help']\nfrom rsd_bench.cli.main import main\ntry: main()\nexcept SystemExit: pass"
    )
    assert loaded_after(code) == set()


@pytest.mark.parametrize("name", rsd_bench.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(rsd_bench, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = rsd_bench.nope


def test_no_module_shadows_a_public_function() -> None:
    code = "import pkgutil, importlib, rsd_bench\n" + (
        "for m in pkgutil.walk_packages(rsd_bench.__path__, 'rsd_bench.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "assert all(callable(getattr(rsd_bench, n)) for n in ('load', 'label', 'sweep', 'compare', 'evaluate'))"
    )
    loaded_after(code)
