"""YAML by the rules of 1.2, and what a spec has no use for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasearch.spec.yaml12 import SyntaxProblem, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("1e-3", 0.001),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".inf", float("inf")),
        ("~", None),
        ("", None),
        ("none", "none"),
        ("'12'", "12"),
        ('"null"', "null"),
        ("[1, two, {three: 3}]", [1, "two", {"three": 3}]),
        ("a:\n  - 1\n  - b: 2\n", {"a": [1, {"b": 2}]}),
        ("{1: one}", {"1": "one"}),
    ],
)
def test_values_mean_what_the_core_schema_says(text, value):
    content = parse_yaml(text).content
    assert content == value
    assert type(content) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands here a second time"),
        ("a: &x 1", 1, "anchors and aliases"),
        ("a: 1\nb: *x", 2, "anchors and aliases"),
        ("a: !!python/object:os.system x", 1, "tags"),
        ("a: !x {b: 1}", 1, "tags"),
        ("%YAML 1.1\n---\na: 1", 2, "directives"),
        ("a: 1\n---\nb: 2", 2, "one document"),
        ("<<: {a: 1}", 1, "merge keys"),
        ("? [1]\n: 2", 1, "a key is a text"),
        ("a: [1, 2", 1, r"expected ',' or '\]'"),
        ("a: b: c", 1, "mapping values are not allowed here"),
        ("a: 1\n\tb: 2", 2, "cannot start any token"),
        ("a: \0", 1, "unacceptable character"),
    ],
)
def test_what_a_spec_has_no_use_for_is_refused_with_its_line(text, line, sentence):
    with pytest.raises(SyntaxProblem, match=sentence) as caught:
        parse_yaml(text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, "nested at most 32 deep"),
        ("- " * 50_000, "nested at most 32 deep"),
        ("- 1\n" * 20_000, "at most 10,000 keys and values"),
        ("? " * 50_000, "a key is a text"),
    ],
)
def test_hostile_texts_are_refused_quickly(text, sentence):
    started = time.process_time()
    with pytest.raises(SyntaxProblem, match=sentence):
        parse_yaml(text)
    assert time.process_time() - started < 5


def test_every_key_and_item_knows_its_line():
    lines = parse_yaml("a:\n  b: 1\n  c:\n    - 2\n    - 3\n").lines
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 5}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_a_sentence(text):
    sentences = []
    try:
        parse_yaml(text)
    except SyntaxProblem as problem:
        sentences = [(str(problem), problem.line)]
    assert all(sentence and line >= 1 for sentence, line in sentences)
