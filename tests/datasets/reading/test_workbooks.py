"""Excel workbooks."""

import datetime
import sys
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.datavalidation import DataValidation

from goalkit import Dataset, GoalkitError
from goalkit.errors import ConfigurationError, DatasetError, MissingPackageError

ROWS = [["目标", "类别", "完成"], ["跑步", "健康", True], ["读书", "学习", False]]
LABELS = {"类别": "category"}


@pytest.fixture
def book(tmp_path):
    """Write a workbook of sheets given by title and rows."""

    def write(sheets, name="goals.xlsx", change=lambda workbook: None):
        workbook = openpyxl.Workbook()
        workbook.remove(workbook.active)
        for title, rows in sheets.items():
            sheet = workbook.create_sheet(title)
            for number, row in enumerate(rows, 1):
                for column, value in enumerate(row, 1):
                    sheet.cell(number, column, value)
        change(workbook)
        workbook.save(tmp_path / name)
        return tmp_path / name

    return write


def read(path, **options):
    return Dataset.read(path, text="目标", labels=LABELS, **options)


@pytest.mark.parametrize("name", ["goals.xlsx", "GOALS.XLSX", "goals.xlsm"])
def test_the_first_sheet_is_read_or_the_one_that_is_named(book, name):
    path = book({"今年": ROWS, "去年": [ROWS[0], ["早睡", "健康", 1], ["写字", "学习", 0]]}, name)
    assert read(path).texts == ["跑步", "读书"]
    assert read(path, sheet="去年").texts == ["早睡", "写字"]
    with pytest.raises(DatasetError, match="has no sheet 明年; its sheets are 今年, 去年: choose one"):
        read(path, sheet="明年")


def test_the_header_is_found_and_empty_rows_are_skipped(book, caplog):
    path = book({"a": [["我的目标"], [], ["导出", datetime.date(2026, 11, 25)], *ROWS[:2], [], [None, " "], ROWS[2]]})
    assert read(path).texts == ["跑步", "读书"]
    assert "sheet a of" in caplog.text and "the header is on row 4" in caplog.text


def test_missing_columns_are_reported_with_the_sheet_and_the_others(book):
    path = book({"说明": [["说明", "类 别"]], "2026": ROWS})
    with pytest.raises(
        DatasetError, match=r"sheet 说明 of .*goals.xlsx \(others: 2026\) has no column 目标, 类别; .* did you mean 类 别"
    ):
        read(path)
    with pytest.raises(DatasetError, match=r"sheet 空 of .* \(others: 2026\) is empty: give a sheet with a header row"):
        read(book({"空": [], "2026": ROWS}))


def test_bad_rows_are_named_by_their_number_in_the_sheet(book, tmp_path):
    rows = [
        ["标题"],
        *ROWS,
        [],
        ["写字", None],
        ["第五", "#N/A"],
        [5, "学习"],
        [datetime.date(2026, 1, 1), "学习"],
        [None, "健康", "x"],
    ]
    path, aside = book({"a": rows}), tmp_path / "bad.jsonl"
    message = "5 bad rows: row 6: no 类别; row 7: no 类别; row 8: the 目标 is 5, not a string; and 2 more"
    with pytest.raises(DatasetError, match=message):
        read(path)
    assert len(read(path, rejects=aside)) == 2
    assert '"row": 10' in aside.read_text(encoding="utf-8")


def test_cells_get_names(book):
    path = book({"a": ROWS})
    labels = {"完成": "completion"}
    with pytest.raises(DatasetError, match=r"values in 完成 without a name as labels of completion: True \(1 row\), False"):
        Dataset.read(path, text="目标", labels=labels)
    rename = {"completion": {"true": "已完成", "false": "未开始"}}
    goals = Dataset.read(path, text="目标", labels=labels, rename=rename)
    assert goals.labels == {"completion": ["已完成", "未开始"]}


def test_numbers_as_labels_want_names(book):
    path = book({"a": [["目标", "类别"], ["跑步", 1], ["读书", 2.0], ["早睡", 1.0]]})
    goals = read(path, rename={"category": {1: "健康", 2: "学习"}})
    assert goals.labels == {"category": ["健康", "学习", "健康"]}


def test_formulas_count_by_their_result_and_returns_are_unescaped(book, tmp_path):
    path = book({"a": [ROWS[0], ["早睡_x000D_\n早起", "健康"], ["读书", "学习"], ["=1+1", "学习"]]})
    with pytest.raises(DatasetError, match="1 bad row: row 4: no 目标"):
        read(path)
    assert read(path, rejects=tmp_path / "bad.jsonl").texts == ["早睡\r\n早起", "读书"]


def test_wrong_dimensions_and_parts_that_are_not_read_do_no_harm(book, tmp_path):
    def add_list(workbook):
        rule = DataValidation("list", formula1='"健康,学习"')
        workbook.active.add_data_validation(rule)
        rule.add("B2:B9")

    path = book({"a": ROWS}, change=add_list)
    wrong = tmp_path / "wrong.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(wrong, "w") as new:
        for name in old.namelist():
            content = old.read(name).replace(b'<dimension ref="A1:C3"', b'<dimension ref="A1"')
            if name.startswith("xl/worksheets/"):
                assert b'ref="A1"' in content
                extension = b'<extLst><ext uri="{CCE6A557-97BC-4b89-ADB6-D9C93CAAB3DF}"/></extLst></worksheet>'
                content = content.replace(b"</worksheet>", extension)
            new.writestr(name, content)
    assert read(wrong).texts == ["跑步", "读书"]


def test_more_rows_than_are_held_at_once_keep_their_order(book, monkeypatch):
    monkeypatch.setattr("goalkit.datasets.reading.workbooks.BATCH", 7)
    monkeypatch.setattr("goalkit.datasets.reading.workbooks.HEADER_LIMIT", 5)
    rows = [[f"跑步{number}公里", "健康学习"[number % 2 * 2 :][:2]] for number in range(40)]
    assert read(book({"a": [ROWS[0], *rows]})).texts == [text for text, _ in rows]


def test_only_workbooks_have_sheets_and_old_ones_are_reported(goals_csv, tmp_path):
    for source in (goals_csv, [1]):
        with pytest.raises(ConfigurationError, match=r"sheet is 'a', but only Excel workbooks \(.xlsx, .xlsm\) have sheets"):
            Dataset.read(source, labels=["category"], sheet="a")
    with pytest.raises(DatasetError, match="has the suffix '.xls': save it as .xlsx, or give a file with one of"):
        read(tmp_path / "goals.xls")


def test_a_missing_library_is_reported_with_its_extra(book, monkeypatch):
    path = book({"a": ROWS})
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingPackageError, match=r'needs openpyxl, which is not installed: pip install "goalkit\[xlsx\]"'):
        read(path)


def test_files_that_are_no_workbooks_are_reported(tmp_path, book):
    path = tmp_path / "goals.xlsx"
    with pytest.raises(DatasetError, match="goals.xlsx cannot be read .*: check the path"):
        read(path)
    path.write_bytes("目标,类别\n跑步,健康\n".encode())
    with pytest.raises(DatasetError, match="is not a readable Excel workbook .*: save it again as .xlsx"):
        read(path)
    sound = book({"a": ROWS}).read_bytes()
    messages = []

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(length=st.integers(0, len(sound)), place=st.integers(0, len(sound) - 1), value=st.integers(0, 255))
    def damaged(length, place, value):
        content = bytearray(sound)
        content[place] = value
        path.write_bytes(content[:length] if length % 2 else content)
        try:
            assert read(path).texts
        except GoalkitError as error:
            messages.append(str(error))

    damaged()
    assert messages and not any("\n" in message for message in messages)
