"""CSV and TSV files as datasets: which of a table, labelled sentences or ratings they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gasearch_workers.data.dataset import DataError
from gasearch_workers.data.labels import in_one_case, shown
from gasearch_workers.data.numbers import label_marks
from gasearch_workers.data.options import DataOptions
from gasearch_workers.data.ratings import is_rating, make_rating_source
from gasearch_workers.data.rows import Rows, check_named, check_same_columns, find_known, is_number, read_rows
from gasearch_workers.data.sentences import Sentences, make_sentence_source
from gasearch_workers.data.source import Parts, Source
from gasearch_workers.data.table import make_table_source


def read_delimited(paths: Parts[Path], options: DataOptions) -> Source:
    """The rows of one file or of one per part.

    Raises:
        DataError: with file and line, if a file can't be read, or if a cell or the choice of columns can't be used.
    """
    train = read_rows(paths.train, options)
    others = [read_rows(path, options, like=train) for path in paths.given[1:]]
    return make_rows_source(paths.refilled([train, *others]), options)


def make_rows_source(parts: Parts[Rows], options: DataOptions) -> Source:
    """Ratings, labelled sentences or a table: what the options say, else what the columns' names or number say.

    Raises:
        DataError: with file and line, if a cell or the choice of columns can't be used.
    """
    source = _make_source(parts, options)
    return replace(source, notes=(*(note for part in parts.given for note in part.notes), *source.notes))


def _make_source(parts: Parts[Rows], options: DataOptions) -> Source:
    train = parts.train
    check_named(train, options.named_columns)
    for part in parts.given[1:]:
        check_same_columns(part, train)
    if is_rating(train, options):
        why = f"{train.file}: ratings are told from user and item alone"
        options.refuse(("text", "features", "categorical", "missing"), why)
        return make_rating_source(parts, options)
    text = _text_column(train, options)
    options.refuse(("user", "item"), f"{train.file}: users and items belong to the kind 'rating'")
    if text is not None:
        why = f"{train.file}: classes are told from the text {text!r} alone"
        options.refuse(("features", "categorical", "decimal"), why)
        return _sentence_source(parts, options, text)
    if train.header is None:
        first = [column[0] for column in train.columns]
        raise DataError(f"{train.at(0)}: expected a header with the columns' names; got {shown(first)}")
    return make_table_source(parts, options)


def _text_column(rows: Rows, options: DataOptions) -> str | None:
    """The column of sentences; None where the rows are a table.

    Without a header, two columns are a sentence and its label: the label is the one with fewer different cells.
    """
    if options.text is not None:
        return options.text
    if options.kind == "regression" or options.features or options.categorical:
        return None

    def holds_words(name: str) -> bool:
        return not all(map(is_number, rows.column(name)))

    if rows.header is not None:
        known = find_known(rows, "text")
        return known if known is not None and holds_words(known) else None
    words = list(filter(holds_words, rows.names))
    if len(rows.names) != 2 or not words:
        return None
    return max(words, key=lambda name: (len(set(rows.column(name))), sum(map(len, rows.column(name)))))


def _sentence_source(parts: Parts[Rows], options: DataOptions, text: str) -> Source:
    train = parts.train
    others = [column for column in train.names if column != text]
    target = options.target or (others[0] if len(others) == 1 else find_known(train, "target"))
    if target is None or target == text:
        raise DataError(
            f"{train.file}: expected the column of labels in task.target, another than the text {text!r}; "
            f"the columns are {shown(train.names)}"
        )
    sentences = (
        Sentences(texts=part.column(text), labels=labels, at=part.at)
        for part, labels in zip(parts.given, in_one_case([part.column(target) for part in parts.given]), strict=True)
    )
    return make_sentence_source(parts.refilled(sentences), options, missing=label_marks(options))
