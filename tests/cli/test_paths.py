"""No command overwrites a file that it reads, or writes one file twice, whichever options name it and however it is spelled."""

import itertools
import os
import unicodedata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from goalkit.cli import _COMMANDS, goalkit
from goalkit.cli.paths import CommandPath, Reads, Writes

NO_PATHS = {"backbone", "encoding", "heads", "labels", "layers", "rename", "sheet", "text", "texts"}
"""Parameters that are free text and name no file."""

LINE = "1,每天跑步,健康\n"


def commands():
    context = click.Context(goalkit)
    return {name: goalkit.get_command(context, name) for name in _COMMANDS}


def path_parameters(command):
    return [each for each in command.params if isinstance(each.type, CommandPath)]


def invoke(name, command, values):
    """Call a command with these values of its parameters, and with something for whatever else it requires."""
    line = [name]
    for parameter in command.params:
        if parameter.name in values or parameter.required:
            value = str(values.get(parameter.name, "elsewhere"))
            line += [value] if isinstance(parameter, click.Argument) else [parameter.opts[0], value]
    return CliRunner().invoke(goalkit, line)


def everything_in(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_path_is_declared_as_read_or_written(name):
    for parameter in commands()[name].params:
        undeclared = isinstance(parameter.type, click.Path | click.File) and not isinstance(parameter.type, Reads | Writes)
        free_text = parameter.type is click.STRING and parameter.name not in NO_PATHS
        assert not undeclared and not free_text, f"{parameter.name} of {name} is not declared with Reads or Writes"


COLLISIONS = [
    (name, written.name, part, other.name)
    for name, command in commands().items()
    for written, other in itertools.permutations(path_parameters(command), 2)
    if written.type.writes
    for part in written.type.parts or ("",)
]


@pytest.mark.parametrize(("name", "written", "part", "other"), COLLISIONS)
def test_no_two_options_of_a_command_name_one_file_that_is_written(name, written, part, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared = tmp_path / "folder" / (part or "shared.csv")
    shared.parent.mkdir()
    shared.write_text(LINE, encoding="utf-8")
    before = everything_in(tmp_path)
    page = invoke(name, commands()[name], {written: shared.parent if part else shared, other: shared})
    assert page.exit_code == 2, page.output
    assert "choose another path" in page.output
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clean goals.csv --output out.csv --log goals.csv", "'--log': goals.csv is the path that 'DATA' reads (goals.csv)"),
        ("clean goals.csv --output goals.csv", "'--output': goals.csv is the path that 'DATA' reads (goals.csv)"),
        ("evaluate --data goals.csv --output goals.csv", "'--output': goals.csv is the path that '--data' reads"),
        (
            "clean goals.csv --output ./out.csv --log made/../out.csv",
            "'--log': made/../out.csv is the path that '--output' writes",
        ),
        ("clean goals.csv --output hard.csv", "'--output': hard.csv is the path that 'DATA' reads"),
        ("clean link.csv --output goals.csv", "'--output': goals.csv is the path that 'DATA' reads (link.csv)"),
        ("clean goals.csv --output Out.csv --log OUT.csv", "'--log': OUT.csv is the path that '--output' writes"),
        ("train --data x/goals.csv --output x", "'--output': x contains the path that '--data' reads"),
        ("train --output x --run x/run", "'--run': x/run/log.jsonl lies within the path that '--output' writes (x)"),
        ("train --output x --run x", "'--run': x/log.jsonl lies within the path that '--output' writes (x)"),
        ("train --data x-run/log.jsonl --output x", "'--run': x-run/log.jsonl is the path that '--data' reads"),
        ("train --run y --output y/checkpoint", "'--output': y/checkpoint is the path that '--run' writes"),
        ("export x --output x", "'--output': x is the path that 'MODEL' reads"),
        ("export x --output x/bundle", "'--output': x/bundle lies within the path that 'MODEL' reads"),
        ("export x/model --output x", "'--output': x contains the path that 'MODEL' reads (x/model)"),
        ("evaluate x --output x/config.json", "'--output': x/config.json lies within the path that '[MODEL]' reads"),
        ("search --settings build/trainer.json", "'--output': build/trainer.json is the path that '--settings' reads"),
        ("search --data goals.jsonl --study goals.jsonl", "'--study': goals.jsonl is the path that '--data' reads"),
        ("verify b --data goals.csv --rejects goals.csv", "'--rejects': goals.csv is the path that '--data' reads"),
        ("profile x --output p.json --trace p.json", "'--trace': p.json is the path that '--output' writes"),
    ],
)
def test_the_message_says_which_options_meet_where(line, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "goals.csv").write_text(LINE, encoding="utf-8")
    os.link("goals.csv", "hard.csv")
    (tmp_path / "link.csv").symlink_to("goals.csv")
    page = CliRunner().invoke(goalkit, line.split())
    assert page.exit_code == 2, page.output
    assert message in page.output
    assert (tmp_path / "goals.csv").read_text(encoding="utf-8") == LINE


def test_a_folder_for_the_run_may_hold_the_model_and_the_data():
    called = []

    @click.command()
    @click.option("--data", type=Reads())
    @click.option("--output", type=Writes())
    @click.option("--run", type=Writes("log.jsonl", "checkpoint"))
    def command(**paths):
        called.append(paths)

    CliRunner().invoke(command, ["--data", "x/goals.csv", "--output", "x/model", "--run", "x"], catch_exceptions=False)
    assert called == [{"data": Path("x/goals.csv"), "output": Path("x/model"), "run": Path("x")}]


def test_streams_and_addresses_have_nothing_to_lose():
    @click.command()
    @click.option("--output", type=Writes())
    @click.option("--log", type=Writes())
    @click.option("--study", type=Writes(path_type=str))
    @click.option("--other", type=Writes(path_type=str))
    def command(**paths):
        click.echo(" ".join(map(str, paths.values())))

    shared = "postgresql://host/searches"
    page = CliRunner().invoke(
        command, ["--output", os.devnull, "--log", os.devnull, "--study", shared, "--other", shared], catch_exceptions=False
    )
    assert page.output == f"{os.devnull} {os.devnull} {shared} {shared}\n"


@click.command()
@click.argument("data", type=Reads())
@click.option("--output", type=Writes())
@click.option("--log", type=Writes())
def ANY_COMMAND(**paths):  # what a new command looks like
    """Do nothing."""


def refused(*arguments):
    page = CliRunner().invoke(ANY_COMMAND, list(map(str, arguments)))
    assert page.exit_code == 0 or "choose another path" in page.output, page.output
    return page.exit_code == 2


PLACES = ["goals.csv", "other.csv", "folder/goals.csv", "new.csv", "folder/new.csv", "new/new.csv"]


@st.composite
def spelled(draw, places=PLACES):
    """One of several places, and a way to write its path from the working directory."""
    place = draw(st.sampled_from(places))
    path = draw(st.sampled_from([place, *([f"link/{place}"] if not place.startswith("new/") else [])]))
    if draw(st.booleans()) and Path(place).name == "goals.csv":
        path = path.replace("goals.csv", draw(st.sampled_from(["hard.csv", "soft.csv", "softer.csv"])))
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from([f"./{path}", f"folder/../{path}", f"link/{path}", f"link//{path}"]))
    return place, os.path.abspath(".") + os.sep + path if draw(st.booleans()) else path


def test_two_paths_collide_exactly_if_they_lead_to_one_file(tmp_path, monkeypatch):
    """`link` leads back to the working directory; every goals.csv also has a hard link and two soft ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.csv").touch()
    for folder in (tmp_path, tmp_path / "folder"):
        (folder / "goals.csv").touch()
        os.link(folder / "goals.csv", folder / "hard.csv")
        (folder / "soft.csv").symlink_to("goals.csv")
        (folder / "softer.csv").symlink_to("soft.csv")

    @given(spelled(), spelled())
    def compare(one, other):
        same = one[0] == other[0]
        assert refused(one[1], "--output", other[1]) == same
        assert refused("elsewhere", "--log", one[1], "--output", other[1]) == same

    compare()


def recased(text):
    """Any mixture of cases, composed or decomposed: what macOS and Windows take for one name."""
    mixed = st.tuples(*(st.sampled_from([each.lower(), each.upper()]) for each in text)).map("".join)
    return st.tuples(st.sampled_from(["NFC", "NFD"]), mixed).map(lambda pair: unicodedata.normalize(*pair))


@given(recased("new/résumé.csv"), recased("new/résumé.csv"))
def test_new_files_whose_names_differ_in_case_or_form_alone_collide_on_every_system(one, other):
    assert refused("elsewhere", "--output", one, "--log", other)


def test_files_that_are_there_collide_where_the_system_ignores_case(tmp_path, monkeypatch):
    """Such a system is imitated by a `stat` that finds what is there under any case, as that of macOS and Windows does."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "goals.csv").touch()
    assert not refused("folder/goals.csv", "--output", "FOLDER/Goals.csv"), "here they are two"
    stat = Path.stat

    def ignoring_case(path, **options):
        for there in (tmp_path / "folder", tmp_path / "folder" / "goals.csv"):
            if str(path).casefold() == str(there).casefold():
                return stat(there, **options)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", ignoring_case)

    @given(recased("folder/goals.csv"))
    def compare(path):
        assert refused("folder/goals.csv", "--output", path)
        assert refused("elsewhere", "--output", path, "--log", "folder/goals.csv")
        assert not refused(path, "--output", path.replace("g", "_").replace("G", "_"))

    compare()
