import errno
import os
from pathlib import Path

import pytest

from goalkit.errors import StorageError
from goalkit.storage import (
    BUNDLE,
    MODEL,
    append_lines,
    check_replaceable,
    files_in,
    folder_digest,
    readable_folder,
    replacing_file,
    replacing_folder,
    write_file,
)


def write(folder, text):
    with replacing_folder(folder, MODEL) as temporary:
        (temporary / "file").write_text(text)
        (temporary / "config.json").write_text('{"schema": 1}')


def test_replaces_a_folder_whole(tmp_path):
    folder = tmp_path / "deep" / "out"
    write(folder, "old")
    (folder / "leftover").write_text("x")
    write(folder, "new")
    assert files_in(folder) == ["config.json", "file"]
    assert (folder / "file").read_text() == "new"
    assert [each.name for each in folder.parent.iterdir()] == ["out"], "nothing temporary is left beside it"


def test_a_failure_leaves_the_old_folder(tmp_path):
    write(tmp_path / "out", "old")
    with pytest.raises(RuntimeError, match="boom"), replacing_folder(tmp_path / "out", MODEL) as temporary:
        (temporary / "file").write_text("half")
        raise RuntimeError("boom")
    assert (tmp_path / "out" / "file").read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_reported_and_leaves_the_old_folder(tmp_path):
    write(tmp_path / "out", "old")
    with (
        pytest.raises(StorageError, match="No space left on device.*the previous content is unchanged"),
        replacing_folder(tmp_path / "out", MODEL),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (tmp_path / "out" / "file").read_text() == "old"


def test_after_a_crash_between_the_renames_readers_find_the_old_folder_and_writers_go_on(tmp_path):
    write(tmp_path / "out", "old")
    (tmp_path / "out").rename(tmp_path / ".out.previous")
    assert (readable_folder(tmp_path / "out") / "file").read_text() == "old"
    assert not (tmp_path / "out").exists(), "a reader changes nothing"
    write(tmp_path / "out", "new")
    assert (readable_folder(tmp_path / "out") / "file").read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_what_goalkit_did_not_make_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(StorageError, match="contains something other than a model: choose another folder"):
        write(tmp_path / "thesis", "new")
    with pytest.raises(StorageError, match="contains something other than a bundle"):
        check_replaceable(tmp_path / "thesis", BUNDLE)
    assert files_in(tmp_path / "thesis") == ["chapter1.txt"]
    with pytest.raises(StorageError, match="give a folder with a name"):
        check_replaceable(Path("/"), MODEL)


def test_an_early_check_leaves_nothing(tmp_path):
    check_replaceable(tmp_path / "deep" / "out", MODEL)
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    write(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for text in ("new", "newer"):
        write(tmp_path / "link", text)
        assert (tmp_path / "real" / "file").read_text() == text
    assert (tmp_path / "link").is_symlink()


def test_a_file_in_the_way_is_reported(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        write(tmp_path / "out", "new")
    with pytest.raises(StorageError, match="choose a writable folder"):
        write(tmp_path / "out" / "below", "new")
    assert (tmp_path / "out").read_text() == "mine"


def test_folder_that_may_not_be_written(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(StorageError, match="Permission denied.*choose a writable folder"):
        write(tmp_path / "out", "new")


def test_digest_depends_on_names_and_contents(tmp_path):
    write(tmp_path / "a", "1")
    write(tmp_path / "b", "1")
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b")
    (tmp_path / "b" / "file").rename(tmp_path / "b" / "other")
    assert folder_digest(tmp_path / "a") != folder_digest(tmp_path / "b")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "log.jsonl"
    with replacing_file(path) as file:
        file.write("旧\r\n")
    with pytest.raises(RuntimeError, match="boom"), replacing_file(path) as file:
        file.write("half")
        raise RuntimeError("boom")
    with (
        pytest.raises(StorageError, match="No space left on device.*the previous content is unchanged"),
        replacing_file(path) as file,
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_bytes() == "旧\r\n".encode()
    assert [each.name for each in path.parent.iterdir()] == ["log.jsonl"], "nothing temporary is left beside it"
    with pytest.raises(StorageError, match="is a folder, not a file"), replacing_file(path.parent):
        pass


def test_lines_are_added_whole_or_not_at_all(tmp_path):
    resource = pytest.importorskip("resource", reason="a limit to the size of files stands for a full disk")
    path = tmp_path / "deep" / "log.jsonl"
    append_lines(path, ["一", "二"])
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 5, hard))
    try:
        with pytest.raises(StorageError, match="cannot write .*log.jsonl .*the previous content is unchanged"):
            append_lines(path, ["three", "four"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    append_lines(path, ["three"])
    assert path.read_bytes() == before + b"three\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    write_file(tmp_path / "pipe", "旧".encode())
    assert os.read(reader, 99) == "旧".encode()
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
