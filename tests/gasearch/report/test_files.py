"""A report as files: one page that holds all, and a text with its pictures."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

import gasearch
from gasearch.errors import BadInput
from gasearch.spec.loader import load_spec
from tests.doubles.custom_search import CUSTOM_SPEC

#: What makes a browser fetch something, or run it.
ASKING = {"src", "srcset", "data", "action", "background", "poster", "manifest", "formaction"}


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return gasearch.run(CUSTOM_SPEC, db=f"sqlite:///{tmp_path_factory.mktemp('report')}/store.db")


@pytest.fixture(scope="module")
def folder(search, tmp_path_factory):
    return search.report(tmp_path_factory.mktemp("reports") / "new" / "small").parent


def test_the_page_is_small_well_formed_and_refers_to_nothing_outside_itself(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert len(page) < 200_000
    tree = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    for element in tree.iter():
        tag = element.tag.rpartition("}")[2]
        assert tag not in {"script", "iframe", "img", "object", "embed", "base", "form", "use", "image"}
        names = {name.rpartition("}")[2] for name in element.attrib}
        assert not names & ASKING
        assert not [name for name in names if name.startswith("on")]
        assert element.get("href", "#")[:1] == "#" or (tag, element.get("href")) == ("link", "data:,")
    assert "url(" not in page
    assert "@import" not in page
    assert set(re.findall(r"https?://[^\s\"<]+", page)) == {
        "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"
    }  # fmt: skip
    assert "default-src 'none'" in page


def test_the_text_has_the_same_sections_and_its_pictures_lie_beside_it(folder):
    page, text = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == re.findall(r"<h2[^>]*>(.*)</h2>", page)
    pictures = re.findall(r"\]\((.*\.svg)\)", text)
    assert pictures
    for name in pictures:
        [title] = re.findall(r'class="title"[^>]*>(.*?)</text>', (folder / name).read_text(encoding="utf-8"))
        assert f"<figcaption>{title}</figcaption>" in page
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_the_spec_in_it_can_be_run_again(folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    spec = json.loads(text[text.index("\n{\n") : text.rindex("}") + 1])
    assert load_spec(spec).name == "small"


def test_a_report_replaces_an_earlier_one_and_leaves_other_files(search, folder):
    (folder / "notes.txt").write_text("mine")
    before = (folder / "report.html").read_bytes()
    assert search.report(folder) == folder / "report.html"
    assert (folder / "report.html").read_bytes() == before
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_folder_that_can_t_be_written_is_bad_input(search, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file is a file; a report needs a folder"):
        search.report(tmp_path / "file")
    with pytest.raises(BadInput, match="can't write into the folder"):
        search.report(tmp_path / "file" / "report")
