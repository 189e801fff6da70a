import importlib.util
import unicodedata
from importlib.metadata import version
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "ios-sample/tools/unicode_tables.py"


@pytest.mark.slow
def test_the_tables_of_the_swift_tokenizer_are_what_their_script_writes():
    """Half a minute: every character is put to Python and to the tokenizers library."""
    spec = importlib.util.spec_from_file_location("unicode_tables", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    if unicodedata.unidata_version != script.UNICODE:
        pytest.skip(f"the tables have Unicode {script.UNICODE}, this Python has {unicodedata.unidata_version}")
    for name, text in script.tables().items():
        written = (script.FOLDER / name).read_text(encoding="utf-8")
        assert written.partition("\n")[2] == text.partition("\n")[2], f"run {SCRIPT}, tokenizers is {version('tokenizers')}"
