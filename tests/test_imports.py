import subprocess
import sys

import grimp
import pytest


@pytest.mark.parametrize("module", ["goalkit", "goalkit.export"])
def test_import_loads_nothing_heavy(module):
    heavy = {"torch", "transformers", "coremltools", "pyarrow", "sklearn", "numpy"}
    code = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"


def test_every_public_name_is_there():
    import goalkit
    import goalkit.export

    for module in (goalkit, goalkit.export):
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert set(goalkit.__all__) <= set(dir(goalkit))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        goalkit.Nothing  # noqa: B018


def test_no_module_imports_itself_by_way_of_others():
    """Imports for type checking and inside functions count; the conveniences of `Dataset` (clean, split) are the exception."""
    graph = grimp.build_graph("goalkit", cache_dir=None)
    dataset = {
        "goalkit.datasets.dataset",
        "goalkit.datasets.splits",
        "goalkit.datasets.cleaning",
        "goalkit.datasets.cleaning.changes",
        "goalkit.datasets.cleaning.cleaner",
    }
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    circles = []
    for module in sorted(graph.modules - dataset):
        reached, ahead = set(), [module]
        while ahead:
            new = imports[ahead.pop()] - reached
            reached |= new
            ahead.extend(new)
        if module in reached:
            circles.append(module)
    assert circles == []
