"""Rules for the Swift sources that a compiler does not check."""

import re
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "ios-sample"
SOURCES = sorted([*SAMPLE.glob("App/**/*.swift"), *SAMPLE.glob("GoalKit/Sources/**/*.swift")])
OTHERS = sorted([*SAMPLE.glob("GoalKit/Tests/**/*.swift"), *SAMPLE.glob("Stubs/**/*.swift")])
NETWORK = re.compile(
    r"\b(URLSession\w*|URLRequest|URLConnection|NWConnection|CFSocket|CFStream\w*|WKWebView)\b"
    r"|\bimport (Network|WebKit|CFNetwork)\b|https?:"
)
FORCED = re.compile(r"\btry!|\bas!|[\w)\]]!(?![=\w])")


def code(file):
    """The source without comments and string literals."""
    text = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', file.read_text(encoding="utf-8"))
    return re.sub(r"//[^\n]*", "", text)


def test_sources_are_found():
    assert len(SOURCES) > 50
    assert {"CoreMLUpdater.swift", "GoalsView.swift", "GoalsModel.swift"} <= {file.name for file in SOURCES}


@pytest.mark.parametrize("source", ["let a = URLSession.shared", "import Network", 'let a = URL(string: "http://a")'])
def test_network_code_would_be_found(source):
    assert NETWORK.search(source)


@pytest.mark.parametrize(
    ("source", "found"), [("try! a()", True), ("a[0]! + 1", True), ("b!.c", True), ("a != b", False), ("!a", False)]
)
def test_forced_unwraps_would_be_found(source, found):
    assert bool(FORCED.search(source)) is found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.name)
def test_the_app_cannot_reach_a_network_and_forces_nothing(file):
    assert not NETWORK.search(file.read_text(encoding="utf-8"))
    assert not FORCED.search(code(file))


@pytest.mark.parametrize("file", SOURCES + OTHERS, ids=lambda file: file.name)
def test_files_are_short(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("file", [*SOURCES, *SAMPLE.glob("GoalKit/Tests/**/*.swift")], ids=lambda file: file.name)
def test_unchecked_sendable_gives_its_reason(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if "@unchecked Sendable" in line and not line.strip().startswith("///"):
            assert any(each.strip().startswith("//") for each in lines[max(number - 3, 0) : number]), f"line {number + 1}"


@pytest.mark.parametrize("file", sorted(SAMPLE.glob("GoalKit/Sources/GoalKit/CoreML/*.swift")), ids=lambda file: file.name)
def test_core_ml_is_used_only_where_there_is_one(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("#if canImport(CoreML)", "#endif")
