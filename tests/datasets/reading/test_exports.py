"""Files as other apps write them, read by what docs/exports.md says."""

import codecs
import re
import shlex
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pytest
from click.testing import CliRunner

from goalkit import GOAL_TASKS, Dataset
from goalkit.cli import goalkit
from goalkit.errors import ConfigurationError, DatasetError

PAGE = (Path(__file__).parents[3] / "docs" / "exports.md").read_text(encoding="utf-8")
DONE = {"completion": {0: "未开始", 2: "已完成"}}

TICKTICK = '''"Date: 2026-11-25+0000"
"Version: 7.1"
"Status: 
0 Normal
1 Completed
2 Archived"
"Folder Name","List Name","Title","Kind","Tags","Content","Is Check list","Start Date","Priority","Status","Timezone","taskId"
"","健康","每天跑步5公里","TEXT","","早上
带水","N","2026-11-26T00:00:00+0000","5","0","Asia/Shanghai","1"
"","学习","背50个单词","TEXT","英语","","N","","0","2","Asia/Shanghai","2"
"目标","学习","读完""三体""","CHECKLIST","","▫第一部
▪第二部","Y","","0","1","Asia/Shanghai","3"
'''  # noqa: W291

TODOIST = """TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE,DURATION,DURATION_UNIT
meta,view_style=list,,,,,,,,,,
task,每天跑步5公里 @运动,早上,1,1,小明 (1),,every day,zh,Asia/Shanghai,30,minute
note,带水,,,,小明 (1),,,,,,
,,,,,,,,,,,
section,学习,,,,,,,,,,
task,"背50个单词, 英语",,4,1,小明 (1),,,,,,
task,读三体,,2,1,小明 (1),,,,,,
"""

NOTION = """Name,类别,完成,Created
每天跑步5公里,健康,Yes,"November 25, 2026 8:00 AM"
背50个单词,学习,No,"November 25, 2026 8:01 AM"
读三体,学习,No,"November 26, 2026 8:01 AM"
"""


def write_workbook(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.fixture
def exports(tmp_path, monkeypatch):
    """One file of each app, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("TickTick-backup.csv").write_bytes(codecs.BOM_UTF8 + TICKTICK.encode())
    Path("Todoist.csv").write_bytes(codecs.BOM_UTF8 + TODOIST.replace("\n", "\r\n").encode())
    Path("Notion.csv").write_bytes(codecs.BOM_UTF8 + NOTION.encode())
    rows = [["目标", "类别", "完成"], ["每天跑步5公里", "健康", True], ["背50个单词", "学习", False], ["读三体", "学习", False]]
    write_workbook("目标.xlsx", {"说明": [["这里是说明"]], "2026": [["2026年目标"], [], *rows]})
    Path("目标.txt").write_bytes("\n".join("\t".join(map(str, row)) for row in rows).encode("utf-16"))
    return tmp_path


def sections():
    """For each part of the page with code in it, Python and a command, both by its title."""
    parts = re.findall(r"```python\n(goals.*?)```\s+```sh\n(.*?)```", PAGE.replace("\\\n", ""), re.DOTALL)
    assert len(parts) == PAGE.count("```sh") == 5
    return [(f"{number}-{shlex.split(command)[2]}", code, command) for number, (code, command) in enumerate(parts)]


READ = {
    "TickTick-backup.csv": {"category": ["健康", "学习", "学习"], "completion": ["未开始", "已完成", "已完成"]},
    "Todoist.csv": {"priority": ["紧急", "不急", "重要"]},
    "Notion.csv": {"category": ["健康", "学习", "学习"], "completion": ["已完成", "未开始", "未开始"]},
    "目标.xlsx": {"category": ["健康", "学习", "学习"], "completion": ["已完成", "未开始", "未开始"]},
    "目标.txt": {"category": ["健康", "学习", "学习"]},
}


@pytest.mark.parametrize(("code", "command"), [each[1:] for each in sections()], ids=[each[0] for each in sections()])
def test_the_page_reads_each_export_in_python_and_by_command(exports, code, command):
    found: dict[str, Dataset] = {}
    exec(compile(f"from goalkit import Dataset\n{code}", "exports.md", "exec"), found)
    goals = found["goals"]
    program, *arguments = shlex.split(command)
    assert program == "goalkit" and arguments[0] == "clean"
    assert goals.labels == READ[arguments[1]]
    assert goals.texts[0].startswith("每天跑步5公里")
    page = CliRunner().invoke(goalkit, arguments, catch_exceptions=False)
    assert page.exit_code == 0, page.output
    columns = [word for before, word in pairwise(arguments) if before == "--label"]
    text = arguments[arguments.index("--text") + 1]
    again = Dataset.read("goals.csv", text=text, labels=dict(column.split("=") for column in columns))
    assert again.labels == goals.labels, "the cleaned file has the names, and needs no renaming"
    assert again.texts == goals.texts


def test_a_backup_of_ticktick_is_read_by_the_list_form_of_its_body_too(exports):
    body = TICKTICK.partition('2 Archived"\n')[2].replace('"List Name"', '"list_name"')
    Path("body.csv").write_text(body, encoding="utf-8")
    assert Dataset.read("body.csv", text="Title", labels=["list_name"]).labels == {"list_name": ["健康", "学习", "学习"]}


def test_what_stands_before_a_header_is_reported(exports, caplog):
    Dataset.read("TickTick-backup.csv", text="Title", labels={"List Name": "category"})
    assert "the header is on line 7; earlier records are skipped" in caplog.text
    caplog.clear()
    Dataset.read("Notion.csv", text="Name", labels={"类别": "category"})
    assert not caplog.records


def test_bad_rows_after_a_preamble_are_named_by_their_own_line(exports):
    with pytest.raises(DatasetError, match="2 bad rows: line 8: the Tags is empty; line 11: the Tags is empty"):
        Dataset.read("TickTick-backup.csv", text="Title", labels={"Tags": "tag"})


def test_all_sections_and_notes_of_todoist_are_set_aside(exports):
    Dataset.read("Todoist.csv", text="CONTENT", labels={"PRIORITY": "priority"}, rejects="others.jsonl")
    others = Path("others.jsonl").read_text(encoding="utf-8").splitlines()
    assert [re.findall('"line": ([0-9]+)', line)[0] for line in others] == ["2", "4", "6"], "not the empty line 5"


@pytest.mark.parametrize(
    ("column", "better"),
    [("类别", "category"), ("List Name", "list_name"), ("Kind", "kind"), ("2nd", "category"), ("", "category")],
)
def test_a_column_that_cannot_name_a_task_is_reported_how_to_map(exports, column, better):
    with pytest.raises(ConfigurationError) as caught:
        Dataset.read("TickTick-backup.csv", text="Title", labels=[column])
    assert f'labels={{"{column}": "{better}"}} (--label "{column}={better}" on the command line)' in str(caught.value)


def test_two_columns_for_one_task_and_renaming_of_none_are_refused(exports):
    with pytest.raises(DatasetError, match="the label columns are for the tasks category, category"):
        Dataset.read("TickTick-backup.csv", text="Title", labels={"List Name": "category", "Kind": "category"})
    with pytest.raises(ConfigurationError, match="rename is for completion, but the tasks are category"):
        Dataset.read("TickTick-backup.csv", text="Title", labels={"List Name": "category"}, rename=DONE)


def test_every_command_takes_the_same_columns(exports, monkeypatch):
    """The options reach Dataset.read from each command that reads labelled texts."""
    seen = []

    def read(source, **arguments):
        seen.append((source.name, arguments))
        raise DatasetError("seen")

    monkeypatch.setattr(Dataset, "read", read)
    monkeypatch.setattr("goalkit.model.GoalModel.load", lambda folder: SimpleNamespace(tasks=GOAL_TASKS))
    monkeypatch.setattr("goalkit.export.Bundle.open", lambda folder, source=None: SimpleNamespace(tasks=GOAL_TASKS))
    options = shlex.split(
        "--text Title --label 'List Name=category' --label Status=completion --rename completion:0=未开始 --merge-labels "
        "--encoding utf-8 --rejects bad.jsonl"
    )
    for command in ("quality", "train", "search", "evaluate", "verify"):
        result = CliRunner().invoke(goalkit, [command, "--data", "TickTick-backup.csv", *options])
        assert str(result.exception) == "seen", (command, result.output)
    assert len(seen) == 5
    for source, arguments in seen:
        assert source == "TickTick-backup.csv"
        asked = {column: getattr(task, "name", task) for column, task in arguments.pop("labels").items()}
        assert asked.items() >= {"List Name": "category", "Status": "completion"}.items()
        assert arguments == {
            "text": "Title",
            "rename": {"completion": {"0": "未开始"}},
            "merge_labels": True,
            "encoding": "utf-8",
            "sheet": None,
            "rejects": Path("bad.jsonl"),
        }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "a=category", "--label", "a=kind"], "name each column once, as COLUMN or COLUMN=TASK"),
        (["--label", "类别="], "name each column once, as COLUMN or COLUMN=TASK"),
        (["--label", "=category"], "name each column once, as COLUMN or COLUMN=TASK"),
        (["--rename", "0=未开始"], "give TASK:VALUE=NAME, such as completion:0=未开始"),
        (["--rename", "completion:0"], "give TASK:VALUE=NAME, such as completion:0=未开始"),
        (["--rename", "completion:0=未开始", "--rename", "completion:0=已完成"], "is already 未开始; give it one name"),
    ],
)
def test_options_that_say_nothing_clear_are_wrong_usage(exports, options, message):
    result = CliRunner().invoke(goalkit, ["clean", "Notion.csv", "--output", "out.csv", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
