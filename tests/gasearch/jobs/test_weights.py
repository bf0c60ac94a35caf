"""Where inherited weights lie, and the mark by which nodes know the folder."""

from pathlib import Path

import pytest
from gasearch_workers.machine.files import why_not_shared

from gasearch.errors import BadInput
from gasearch.jobs.weights import marked_root


def test_the_mark_is_there_while_the_search_runs_and_no_longer(tmp_path, monkeypatch):
    monkeypatch.setenv("GASEARCH_CACHE", str(tmp_path))
    with marked_root() as mark, marked_root() as another:
        assert Path(mark).parent == tmp_path / "weights"
        assert why_not_shared(mark) == why_not_shared(another) == ""
        assert mark != another
    assert list((tmp_path / "weights").iterdir()) == []


def test_a_cache_that_is_a_file_is_refused_with_the_variable_that_names_another(tmp_path, monkeypatch):
    (tmp_path / "cache").touch()
    monkeypatch.setenv("GASEARCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BadInput, match="name another one by GASEARCH_CACHE"), marked_root():
        pass
