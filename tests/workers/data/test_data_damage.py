"""Whatever bytes a file holds, it is read or refused with its name; no other error comes out."""

from pathlib import Path

import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TABLE = "size,colour,label\n" + "".join(f"{n / 2},{'red' if n % 3 else 'blue'},{n % 2}\n" for n in range(30))
SENTENCES = "".join(f"a {'good' if n % 2 else 'bad'} film\t{n % 2}\n" for n in range(30))
RATINGS = "user,item,rating\n" + "".join(f"{n % 5},{n % 7},{n % 4}\n" for n in range(35))
TAGGED = "\n".join(["Ann\tB-x\nis\tO\nhere\tO\n", "no\tO\n"] * 10)
SOUND = {"table.csv": TABLE, "sentences.tsv": SENTENCES, "ratings.csv": RATINGS, "tagged.conll": TAGGED}
PIECES = st.sampled_from(
    [
        *(b"", b"\n", b"\r", b"\t", b",", b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b"\x85", b"''", b"-", b"?", b" "),
        *("\u2028\u0665\u00b2".encode(), b"nan", b"1e400", b"1_0", b"9" * 5_000, b"x" * 2_000, b"-DOCSTART-"),
        *(b"label", b"text", b"rating"),
    ]
)


def loads_or_refuses(path: Path, options: DataOptions) -> None:
    try:
        data = load_dataset(str(path), options)
    except DataError as error:
        text = str(error)
    else:
        text = data.name
        assert min(len(data.train), len(data.validation), len(data.test)) >= 1
    assert path.stem in text


@pytest.mark.parametrize("name", SOUND)
def test_the_sound_files_are_read(tmp_path, name):
    (tmp_path / name).write_text(SOUND[name])
    assert len(load_dataset(str(tmp_path / name)).train) >= 13


@given(
    name=st.sampled_from(sorted(SOUND)),
    cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 9), PIECES), max_size=4),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_damage_anywhere_is_read_or_refused(tmp_path, name, cuts):
    content = SOUND[name].encode()
    for start, length, piece in cuts:
        content = content[:start] + piece + content[start + length :]
    (tmp_path / name).write_bytes(content)
    loads_or_refuses(tmp_path / name, DataOptions())


@given(
    suffix=st.sampled_from(["csv", "tsv", "conll"]),
    content=st.binary(max_size=60) | st.lists(PIECES, max_size=12).map(b"".join),
    kind=st.sampled_from([None, "classification", "regression", "tagging", "rating"]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_of_any_bytes_is_read_or_refused(tmp_path, suffix, content, kind):
    path = tmp_path / f"any.{suffix}"
    path.write_bytes(content)
    loads_or_refuses(path, DataOptions(kind=kind))
