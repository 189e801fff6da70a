"""Every figure in the docs is what the saved results say today."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

from benchmarks import corpus, render
from goalkit import Dataset

SAVED = render.saved_results()
REMEDY = "run `python -m benchmarks render`"


@pytest.mark.parametrize("page", render.pages(SAVED))
def test_a_page_is_what_its_results_render_to(page):
    assert (render.ROOT / page).read_text(encoding="utf-8") == render.pages(SAVED)[page], REMEDY


@pytest.mark.parametrize("name", render.figures(SAVED))
def test_a_figure_is_what_its_results_render_to(name):
    """Another matplotlib draws the same in other words, and signs it."""
    drawn = (render.ROOT / name).read_text(encoding="utf-8")
    if f"Matplotlib v{mpl.__version__}" not in drawn:
        pytest.skip(f"{name} was drawn by another matplotlib than {mpl.__version__}")
    assert drawn == render.figures(SAVED)[name], REMEDY


def test_writing_the_docs_anew_changes_nothing(monkeypatch, tmp_path):
    for page in {**render.pages(SAVED), **render.figures(SAVED)}:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_bytes((render.ROOT / page).read_bytes())
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.md")}
    monkeypatch.setattr(render, "ROOT", tmp_path)
    render.write_docs()
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.md")} == before


@pytest.mark.parametrize("name", SAVED)
def test_every_result_is_shown_on_a_page(name):
    without = {other: found for other, found in SAVED.items() if other != name}
    assert render.pages(without) != render.pages(SAVED), f"no page shows {name}.json: render it, or remove it"


def test_nothing_lies_among_the_results_but_what_is_read_from_there():
    read = {f"{name}.json" for name in SAVED} | {file.name for file in corpus.LABELLINGS}
    assert {file.name for file in render.RESULTS.iterdir()} == read


def test_every_table_that_claims_to_be_written_by_a_benchmark_is():
    claims = {
        (page.relative_to(render.ROOT).as_posix(), name)
        for page in (*render.ROOT.glob("*.md"), *(render.ROOT / "docs").rglob("*.md"))
        for name in re.findall(render.BEGIN.format("(.*?)"), page.read_text(encoding="utf-8"))
    }
    assert claims == {(page, name) for name, (page, _) in render.TABLES.items()}


def test_every_figure_in_the_docs_is_drawn_by_a_benchmark():
    drawn = (file for file in (render.ROOT / "docs").rglob("*") if file.suffix in {".svg", ".png"})
    there = {file.relative_to(render.ROOT).as_posix() for file in drawn}
    assert there - {"docs/architecture.svg"} == set(render.figures(SAVED))  # which shows no number


def test_a_page_without_the_place_for_its_table_is_reported(monkeypatch, tmp_path):
    (tmp_path / "README.md").write_text("# goalkit\n", encoding="utf-8")
    monkeypatch.setattr(render, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="README.md has no place for the table of demo: write <!-- written by"):
        render.pages({"demo": SAVED["demo"]})


def test_the_corpus_report_is_of_the_goals_that_ship():
    """The page itself, with its examples, takes minutes to make: it is known by the digest of the rows it is about."""
    digest = Dataset.goals().digest()
    assert SAVED["corpus"]["digest"] == digest, "run `python -m benchmarks corpus`"
    assert digest in Path(corpus.PAGE).read_text(encoding="utf-8")
