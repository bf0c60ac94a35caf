"""The commands that explain, over real small searches."""

from __future__ import annotations

import csv
import io
import json

import pytest

import gasearch
from gasearch import cli
from gasearch.errors import BadInput, UnknownSearch
from tests.doubles.command_line import CUSTOM

QUICK = CUSTOM.replace("evaluators:truth", "evaluators:quick").replace("evaluations: 40", "evaluations: 30")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Two searches of one space, by NSGA-II with further trainings and by chance, and one with other objectives."""
    folder = tmp_path_factory.mktemp("explained")
    url = f"sqlite:///{folder}/store.db"
    specs = {
        "guided": QUICK.replace("{population: 8}", "{population: 8, replicates: 0.3}"),
        "chance": QUICK.replace("{population: 8}", "{population: 8, algorithm: random}"),
        "other": QUICK.replace("{error: min, cost: min}", "{error: min}").replace("evaluations: 30", "evaluations: 9"),
    }
    for name, spec in specs.items():
        path = folder / f"{name}.yaml"
        path.write_text(spec.replace("name: small", f"name: {name}"))
        gasearch.run(path, db=url)
    return url


@pytest.fixture
def call(capsys, monkeypatch, url):
    """Runs a command in this process: status, stdout, stderr."""
    monkeypatch.setenv("GASEARCH_DB", url)
    monkeypatch.delenv("GASEARCH_DEBUG", raising=False)

    def run(*arguments):
        status = cli.call(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def sections(out):
    """The parts of an output between empty lines, each as lines of words."""
    return [[line.split() for line in part.splitlines()] for part in out.strip().split("\n\n")]


# --- compare ----------------------------------------------------------------------------------------------------


def test_compare_prints_the_volumes_by_evaluations_and_time_then_the_final_fronts(call):
    status, out, err = call("compare", "guided", "chance")
    assert (status, err) == (0, "")
    evaluations, *times, last = sections(out)
    assert evaluations[0] == ["evaluations", "guided", "chance"]
    assert [line[:2] for line in evaluations[1:]] == [
        ["10%", "3"], ["25%", "8"], ["50%", "15"], ["75%", "22"], ["100%", "30"],
    ]  # fmt: skip
    assert [part[0][:2] for part in times] == [["ran", "for"], ["workers", "busy"]]
    assert [line[0] for line in last] == ["search", "guided", "chance"]
    assert out.splitlines()[-3].endswith("reaches guided's after")


def test_compare_gives_json_and_csv_alone_on_stdout(call):
    status, out, err = call("compare", "guided", "chance", "--format", "json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert [one["name"] for one in found["searches"]] == ["guided", "chance"]
    assert found["objectives"] == {"error": "min", "cost": "min"}
    status, out, err = call("compare", "guided", "chance", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, err, len(rows)) == (0, "", 2 * len(found["marks"]))
    assert float(rows[0]["hypervolume"]) == found["marks"][0]["hypervolumes"]["guided"]


def test_compare_draws_the_curves_where_asked(call, tmp_path):
    path = tmp_path / "curves.html"
    status, out, err = call("compare", "guided", "chance", "-o", str(path), "--format", "json")
    assert (status, err) == (0, f"drawn into {path}\n")
    assert json.loads(out)
    assert "guided and chance" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["guided"], "gasearch: a comparison needs two different searches; got 'guided'\n"),
        (
            ["guided", "other"],
            "gasearch: only searches with the same objectives can be compared: 'guided' has error (min), cost (min); "
            "'other' has error (min). Run one of them anew, under another name, with the other's objectives; see",
        ),
        (["guided", "chanse"], "did you mean 'chance'?"),
    ],
)
def test_what_can_t_be_compared_is_bad_input(call, names, text):
    status, out, err = call("compare", *names)
    assert (status, out) == (2, "")
    assert text in err


# --- why --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explained(url):
    """A member of the front that was trained more than once, and how it came about."""
    search = gasearch.open("guided", db=url)
    key = next(point.key for point in search.front() if point.metrics.get("trainings", 1) > 1)
    return key, search.why(key)


def test_a_network_that_was_trained_again_is_told_with_each_training(explained):
    _, found = explained
    assert [one.replicate for one in found.trainings] == list(range(len(found.trainings)))
    errors = [one.values["error"] for one in found.trainings]
    assert len(set(errors)) > 1  # the evaluator's noise comes from the seed
    assert found.trainings[-1].means["error"] == pytest.approx(sum(errors) / len(errors))
    assert len({one.seed for one in found.trainings}) == len(errors)


def test_the_lineage_of_a_real_search_leads_to_networks_without_parents(url):
    search = gasearch.open("guided", db=url)
    child = next(one for one in reversed(search.evaluations()) if one.parents)
    found = search.why(child.key, depth=100)
    assert not found.is_cut
    assert [step.operator for step in found.steps if not step.parents] != []
    assert {key for step in found.steps for key in step.parents} <= {step.key for step in found.steps}


def test_why_prints_verdict_lineage_trainings_and_operators(call, explained):
    key, found = explained
    status, out, err = call("why", "guided", key[:8])
    assert (status, err) == (0, "")
    for line in (f"verdict   {found.verdict}", "lineage:", "trainings:", "on the front:", "operators of this search:"):
        assert line in out.splitlines()
    _, trainings, *_ = out.partition("trainings:\n")[2].split("\n\n")[0].splitlines()
    assert trainings.split()[:2] == ["0", str(found.trainings[0].told)]


def test_why_gives_the_nested_object_as_json_and_one_row_as_csv(call, explained):
    key, found = explained
    status, out, err = call("why", "guided", key, "--format", "json")
    assert (status, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(found.row()))
    status, out, _ = call("why", "guided", key, "--format", "csv")
    [row] = csv.DictReader(io.StringIO(out))
    assert (status, row["verdict"]) == (0, found.verdict)


def test_why_without_a_key_tells_which_operators_paid(call, url):
    status, out, err = call("why", "guided", "--format", "json")
    rows = json.loads(out)
    assert (status, err) == (0, "")
    assert rows == [one.row() for one in gasearch.open("guided", db=url).operators()]
    assert sum(row["children"] for row in rows) + gasearch.open("guided", db=url).status().replicates == 30
    assert call("why", "guided")[1].split()[:3] == ["operator", "children", "measured"]


def test_ancestors_beyond_the_asked_depth_are_hinted_at(call, url):
    search = gasearch.open("guided", db=url)
    child = next(one.key for one in reversed(search.evaluations()) if one.parents)
    assert "  ... and older ones: --depth" in call("why", "guided", child, "--depth", "0")[1].splitlines()


def test_an_unknown_key_is_bad_input(call):
    status, out, err = call("why", "guided", "zz")
    assert (status, out) == (2, "")
    assert "no network of this search has a key that begins with 'zz'" in err


# --- from Python ------------------------------------------------------------------------------------------------


def test_searches_are_compared_from_python(url):
    found = gasearch.compare("guided", "chance", db=url)
    assert {name: curve[-1].evaluations for name, curve in found.curves.items()} == {"guided": 30, "chance": 30}
    with pytest.raises(BadInput, match="two different searches; got 'guided'"):
        gasearch.compare("guided", db=url)
    with pytest.raises(UnknownSearch, match="nope"):
        gasearch.compare("guided", "nope", db=url)
