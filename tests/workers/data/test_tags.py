"""Schemes of tags: the same entities, however they are spelt, are the same entities."""

import numpy as np
import pytest
from gasearch_workers.data import DataError, DataOptions, load_dataset
from gasearch_workers.data.tags import UnknownTags, entities, read_tags, scheme_of, types_of
from gasearch_workers.training.score import Target
from hypothesis import given
from hypothesis import strategies as st

#: How each scheme writes the first, inner and last token of an entity, and the token of one that has no other.
FORMS = {
    "bio": "BIIB",
    "bioes": "BIES",
    "bilou": "BILU",
    "bmes": "BMES",
    "bmewo": "BMEW",
}
LENGTH = 12
TYPES = ("loc", "per")


def spell(found, form, *, length=LENGTH, type_of=lambda role, kind: f"{role}-{kind}"):
    """Tags of a sentence with the entities (first, last, type)."""
    tags = ["O"] * length
    for first, last, kind in found:
        for place in range(first, last + 1):
            role = form[3] if first == last else form[0] if place == first else form[2 if place == last else 1]
            tags[place] = type_of(role, kind)
    return tags


def spell_iob1(found, *, length=LENGTH):
    """B- only where an entity follows another of its type at once."""
    tags = ["O"] * length
    for first, last, kind in found:
        touches = any(end == first - 1 and other == kind for _, end, other in found)
        tags[first : last + 1] = [f"{'B' if touches else 'I'}-{kind}"] + [f"I-{kind}"] * (last - first)
    return tags


SPELLINGS = {
    **{name: lambda found, form=form: spell(found, form) for name, form in FORMS.items()},
    "iob1": spell_iob1,
    "lower": lambda found: [tag.lower() for tag in spell(found, FORMS["bio"])],
    "lower bmes": lambda found: [tag.lower() for tag in spell(found, FORMS["bmes"])],
    "underscore": lambda found: spell(found, FORMS["bioes"], type_of=lambda role, kind: f"{role}_{kind}"),
    "suffix": lambda found: spell(found, FORMS["bilou"], type_of=lambda role, kind: f"{kind}-{role}"),
}


@st.composite
def sentences(draw):
    """Entities that don't overlap, in order."""
    found, place = [], 0
    while place < LENGTH:
        place += draw(st.integers(0, 3))
        last = place + draw(st.integers(0, 3))
        if last < LENGTH:
            found.append((place, last, draw(st.sampled_from(TYPES))))
        place = last + 1
    return found


def numbered(rows):
    labels = tuple(sorted({tag for row in rows for tag in row} | {"O"}))
    return np.array([[labels.index(tag) for tag in row] for row in rows]), labels


@given(st.lists(sentences(), min_size=1, max_size=4))
def test_the_same_entities_are_read_from_every_spelling(found):
    expected = {
        (row * (LENGTH + 2) + first + 1, row * (LENGTH + 2) + last + 1, kind)
        for row, sentence in enumerate(found)
        for first, last, kind in sentence
    }
    for name, spelling in SPELLINGS.items():
        tags, labels = numbered([spelling(sentence) for sentence in found])
        parts = read_tags(labels) if expected else read_tags(labels, "bio")
        types = types_of(parts)
        assert {(first, last, types[kind]) for first, last, kind in entities(tags, parts)} == expected, name


@given(st.lists(st.tuples(sentences(), sentences()), min_size=1, max_size=4))
def test_one_tagger_has_one_score_in_every_scheme(pairs):
    scores, reports = set(), set()
    for spelling in SPELLINGS.values():
        rows, labels = numbered([spelling(one) for pair in pairs for one in pair])
        logits = np.eye(len(labels))[rows[::2]]
        target = Target(kind="tagging", outputs=len(labels), labels=labels, tags=None if len(labels) > 1 else "bio")
        found = target.score(logits, rows[1::2])
        scores.add(found["entity_f1"])
        reports.add(str(target.report_classes(logits, rows[1::2])))
    assert len(scores) == 1
    assert len(reports) == 1


@pytest.mark.parametrize("form", ["BIIB", "BIES", "BILU", "BMES", "BMEW"])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_tags_without_a_type_spell_entities_of_one_type(form, case):
    found = [(0, 0, ""), (1, 3, ""), (6, 7, "")]
    tags, labels = numbered([[case(tag) for tag in spell(found, form, type_of=lambda role, _: role)]])
    parts = read_tags(labels)
    assert types_of(parts) == ("entity",)
    assert entities(tags, parts) == {(1, 1, 0), (2, 4, 0), (7, 8, 0)}


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        ("O B-x I-x", "bio"),
        ("O I-x", "bio"),
        ("O B-x E-x S-x", "bioes"),
        ("O B-x U-x", "bilou"),
        ("B M E S", "bmes"),
        ("O B-x M-x E-x W-x", "bmewo"),
        ("O person place", "types"),
        ("o b i", "bio"),
        ("O loc-city loc-land loc-sea org-club org-bank per-actor per-child", "types"),
        ("O X-B Y-I", "bio"),
    ],
)
def test_the_scheme_is_told_from_the_tags(labels, scheme):
    assert scheme_of(labels.split()) == scheme


UNKNOWN = [
    ("O B-x I-x L-x E-x", r"whose letters B, E, I, L belong to none of them"),  # two schemes in one file
    ("O B-x I-x S-x U-x", r"belong to none of them"),
    ("O S M", r"belong to none of them for sure"),
    ("O B I X", r"got 'B' among 'B', 'I', 'X'"),
    ("O B-x I-x noun", r"got 'B-x' among 'B-x', 'I-x', 'noun'"),
    ("O Q-x R-x", r"whose letters Q, R belong to none"),
    ("O BEG-per IN-per BEG-loc IN-loc", r"got 'BEG-loc' among"),
    ("O per-begin per-in", r"got 'per-begin' among"),
    ("(PER* * *)", r"got '\(PER\*'|got '\*'"),
    ("0 1 2", r"got '0' among '0', '1', '2'"),
    ("0 B-x I-x", r"got '0' among"),
    ("NOUN VERB", r"expected the tag 'O' .* the tags are 'NOUN', 'VERB': of which scheme are they\?"),
]


@pytest.mark.parametrize(("labels", "text"), UNKNOWN, ids=[labels for labels, _ in UNKNOWN])
def test_tags_of_no_known_scheme_are_refused_by_name(labels, text, tmp_path):
    with pytest.raises(UnknownTags, match=text):
        scheme_of(labels.split())
    path = tmp_path / "set.conll"
    path.write_text("".join(f"word\t{tag}\n\n" for tag in labels.split() * 9))
    with pytest.raises(DataError, match=r"set\.conll:1: expected .* \(task\.tags names the scheme; 'types' where each"):
        load_dataset(str(path))
    assert load_dataset(str(path), DataOptions(tags="types")).tags == "types"


def test_a_named_scheme_refuses_the_tags_that_it_does_not_have(tmp_path):
    path = tmp_path / "set.conll"
    path.write_text("word\tB-x\nword\tL-x\nword\tO\n\n" * 9)
    assert load_dataset(str(path)).tags == "bilou"
    with pytest.raises(DataError, match=r"expected tags of the scheme 'bioes', with the letters B, I, E, S; got 'L-x'"):
        load_dataset(str(path), DataOptions(tags="bioes"))


def write(path, rows, spelling):
    path.write_text("\n".join("".join(f"word{n}\t{tag}\n" for n, tag in enumerate(spelling(row))) for row in rows))
    return str(path)


def test_equal_schemes_number_their_tags_alike_so_that_a_network_trains_alike(tmp_path):
    rows = [[(0, 0, "per"), (2, 4, "loc"), (6, 7, "loc")], [(1, 1, "loc"), (3, 6, "per")]] * 5
    found = {
        name: load_dataset(write(tmp_path / f"{name}.conll", rows, SPELLINGS[name]))
        for name in ("bioes", "bilou", "bmes", "bmewo", "lower bmes", "underscore", "suffix")
    }
    for data in found.values():
        assert (data.train.y == found["bioes"].train.y).all()
        assert data.outputs == 9
    assert len({data.fingerprint for data in found.values()}) == len(found)


def test_tags_that_were_read_right_before_keep_their_fingerprint(tmp_path):
    path = write(tmp_path / "set.conll", [[(0, 0, "per"), (2, 4, "loc")]] * 10, SPELLINGS["bio"])
    assert load_dataset(path).fingerprint == "ecbe8d2c99db2552"


def test_types_are_read_as_such_with_a_note(tmp_path):
    path = tmp_path / "set.conll"
    path.write_text("a\tper\nb\tper\nc\tO\n\n" * 9)
    data = load_dataset(str(path))
    assert data.notes == (
        "no tag has a role such as B- or I-: each is a type, and a run of one is one entity (task.tags: types)",
    )
    assert load_dataset(str(path), DataOptions(tags="types")).notes == ()


@pytest.mark.parametrize("length", [12, 8, 5, 1])
@pytest.mark.parametrize("name", ["bio", "bmes", "suffix"])
def test_entities_behind_the_cut_count_as_missed(tmp_path, length, name):
    """As a count over the whole file: a perfect tagger that reads `length` tokens and says "O" of the others."""
    rows = [[(0, 1, "per"), (3, 5, "loc"), (7, 8, "loc"), (10, 11, "per")], [(2, 2, "loc"), (4, 7, "per")]] * 10
    data = load_dataset(write(tmp_path / "set.conll", rows, SPELLINGS[name]), DataOptions(length=length))
    target = Target(kind="tagging", outputs=data.outputs, labels=data.labels, tags=data.tags)
    hits = truths = guesses = right = 0
    for tags in data.test.truth.tolist():
        sentence = rows[0] if tags.count(data.labels.index("O")) == 3 else rows[1]
        truths += len(sentence)
        hits += sum(last < length for _, last, _ in sentence)
        guesses += sum(first < length for first, _, _ in sentence)
        right += LENGTH - sum(last + 1 - max(first, length) for first, last, _ in sentence if last >= length)
    perfect = np.eye(data.outputs)[data.test.y]
    found = target.score(perfect, data.test.truth)
    assert found["entity_f1"] == pytest.approx(2 * hits / (guesses + truths))
    assert found["accuracy"] == pytest.approx(right / (LENGTH * len(data.test)))
    assert sum(row["support"] for row in target.report_classes(perfect, data.test.truth)) == truths


def test_what_is_cut_tells_apart_two_data_sets(tmp_path):
    options = DataOptions(length=6)
    one = write(tmp_path / "one.conll", [[(0, 1, "per"), (8, 9, "loc")]] * 10, SPELLINGS["bio"])
    other = write(tmp_path / "other.conll", [[(0, 1, "per"), (8, 8, "loc")]] * 10, SPELLINGS["bio"])
    assert load_dataset(one, options).fingerprint != load_dataset(other, options).fingerprint
