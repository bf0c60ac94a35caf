"""A report as files: one HTML page that holds all of it, and the same as Markdown with its pictures."""

from __future__ import annotations

from pathlib import Path

from gasearch.errors import BadInput
from gasearch.query.whole_file import write_whole
from gasearch.report.content import report_on
from gasearch.report.markdown import picture_files, to_markdown
from gasearch.report.page import to_html
from gasearch.storage.archive import ArchiveReader

PAGE, TEXT = "report.html", "report.md"


def write_report(reader: ArchiveReader, name: str, folder: Path) -> Path:
    """Write the report into a folder, replacing an earlier one; returns the page.

    Args:
        reader: Where the search is stored.
        name: Of the search.
        folder: Is made where there is none; other files in it stay.

    Raises:
        UnknownSearch: if there is no search of that name.
        BadInput: if the folder or its files can't be written.
    """
    document = report_on(reader, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"{folder} is a file; a report needs a folder") from None
    except OSError as error:
        raise BadInput(f"can't write into the folder {folder}: {error.strerror or error}") from error
    files = {**picture_files(document), TEXT: to_markdown(document), PAGE: to_html(document)}
    for file, content in files.items():
        write_whole(folder / file, content)
    return folder / PAGE
