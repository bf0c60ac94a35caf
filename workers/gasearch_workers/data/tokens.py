"""From sentences to tokens, and from tokens to codes.

A token is a URL, an @mention or #hashtag, a number with its inner points and commas, a word with its inner
apostrophes, or one other character that isn't white space. Nothing else is normalized but, where asked for, case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gasearch_workers.data.dataset import DataError

PADDING, UNKNOWN = "<padding>", "<unknown>"
SPECIAL = (PADDING, UNKNOWN)  #: What the codes 0 and 1 of words stand for.
MOST_CHARACTERS = 1_000  #: Of one token; a longer one is a damaged file.

#: What the second code of a token to be tagged stands for: how the word looks, which its lower case hides.
SHAPES = (
    *(PADDING, "other", "lower", "Title", "UPPER", "mixedCase", "digits", "with-digit", "punctuation", "@mention"),
    *("#hashtag", "URL", "Single"),
)

TOKEN = re.compile(
    r"(?:https?://|www\.)\S+"
    r"|[@#]\w+"
    r"|\d+(?:[.,:]\d+)*(?!\w)"
    r"|\w+(?:['\u2019]\w+)*"
    r"|[^\w\s]"
)


def tokenize(sentence: str, *, is_lower: bool = True) -> list[str]:
    """The tokens of a sentence, in order: "It's 3.5!" -> ["it's", "3.5", "!"]."""
    return TOKEN.findall(sentence.lower() if is_lower else sentence)


def shape_of(token: str) -> int:
    """The number of a token's shape, an index of `SHAPES`."""
    return SHAPES.index(_shape(token))


def _shape(token: str) -> str:
    if len(token) > 1 and token[0] in "@#":
        return "@mention" if token[0] == "@" else "#hashtag"
    if token.lower().startswith(("http://", "https://", "www.")):
        return "URL"
    if not any(map(str.isalnum, token)):
        return "punctuation"
    if any(map(str.isdigit, token)):
        return "with-digit" if any(map(str.isalpha, token)) else "digits"
    if token.islower():
        return "lower"
    if token.isupper():
        return "Single" if len(token) == 1 else "UPPER"
    if token.istitle() or (token[:1].isupper() and token[1:].islower()):
        return "Title"
    return "mixedCase" if token.lower() != token.upper() else "other"


def check_tokens(tokens: Sequence[str], where: str) -> None:
    """Refuse a sentence without a token, or with one beyond all measure.

    Raises:
        DataError: saying where it stands.
    """
    if not tokens:
        raise DataError(f"{where}: expected a sentence; got no word")
    longest = max(tokens, key=len)
    if len(longest) > MOST_CHARACTERS:
        raise DataError(
            f"{where}: expected words of at most {MOST_CHARACTERS} characters; got one of {len(longest)}, "
            f"{longest[:40]!r}..."
        )


def sorted_words(sentences: Iterable[Sequence[str]], *, length: int) -> tuple[str, ...]:
    """Every word among the first `length` tokens of the sentences, by alphabet (code points)."""
    return tuple(sorted({token for sentence in sentences for token in sentence[:length]}))


def pad(rows: Iterable[Sequence[int]], *, length: int, filler: int) -> NDArray[np.int64]:
    """Numbers per token in rows of one length.

    Args:
        rows: Of any length.
        length: Numbers kept of each.
        filler: What fills shorter ones up.

    Returns:
        (count, length).
    """
    kept = [row[:length] for row in rows]
    table = np.full((len(kept), length), filler, dtype=np.int64)
    for place, row in enumerate(kept):
        table[place, : len(row)] = row
    return table


def cut_note(sentences: Sequence[Sequence[str]], *, length: int) -> tuple[str, ...]:
    """The note on sentences that are longer than the tokens kept; nothing where there are none."""
    cut = sum(len(sentence) > length for sentence in sentences)
    return (f"{cut} of {len(sentences)} sentences are cut to {length} tokens",) if cut else ()
