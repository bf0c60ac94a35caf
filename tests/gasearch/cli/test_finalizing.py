"""`finalize` and `front --final` on the command line, and from Python."""

import json
from contextlib import closing
from dataclasses import replace

import pytest

import gasearch
from gasearch.cli.console import Format
from gasearch.cli.finalizing import print_finalists, with_deviation
from gasearch.errors import BadInput
from gasearch.query.finals import Finalist
from gasearch.storage.sql import open_archive
from tests.doubles.command_line import TRAINED, CommandLine


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A finished search for digits."""
    commands = CommandLine(tmp_path_factory.mktemp("finalized"))
    commands.write_spec(TRAINED, **{"evaluations: 8": "evaluations: 5"})
    done = commands.here("run", "small.yaml")
    assert done.status == 0, done.err
    yield commands
    commands.close()


def test_there_is_nothing_to_show_before_the_first_finalist(commands):
    done = commands.here("front", "small", "--final", "--format", "json")
    assert (done.status, json.loads(done.out)) == (1, [])
    assert done.sentence == "no network of 'small' was finalized yet; do so with: gasearch finalize small --top 3"


def test_the_best_bargains_are_finalized_and_shown_with_what_was_lost(commands):
    done = commands.here("finalize", "small", "--top", "2", "--seeds", "2", "--workers", "0")
    assert done.status == 0, done.err
    titles, *rows = done.out.splitlines()
    assert titles.split() == ["key", "accuracy", "drop", "test_accuracy", "test_drop", "model_bytes", "seeds"]
    assert all(row.count(" ± ") == 2 for row in rows)
    assert len(rows) == 2
    assert max(map(len, done.out.splitlines())) <= 110
    assert "2 networks x 2 seeds = 4 trainings of 1 epoch" in done.err
    assert "next:  gasearch front small --final" in done.err
    shown = commands.here("front", "small", "--final")
    assert shown.out.splitlines()[0].split() == titles.split()
    members = json.loads(commands.here("front", "small", "--final", "--format", "json").out)
    search = gasearch.open("small", db=commands.url)
    assert members == [one.row() for one in search.finals() if one.is_on_front]
    assert {row.split()[0] for row in rows} == {one.key for one in search.finals()}
    whole = commands.here("front", "small", "--final", "--all").out.splitlines()[0].split()
    assert whole[:5] == ["key", "searched_accuracy", "accuracy", "accuracy_deviation", "accuracy_drop"]
    assert whole[-3:] == ["seeds", "epochs", "is_on_front"]


def test_the_best_finalist_is_named_on_the_command_line_and_from_python(commands):
    commands.here("finalize", "small", "--top", "2", "--seeds", "2", "--workers", "0")
    search = gasearch.open("small", db=commands.url)
    best = search.best_final()
    assert best == next(one for one in search.finals() if one.is_on_front)
    assert json.loads(commands.here("best", "small", "--final", "--format", "json").out) == [best.row()]
    lines = dict(line.split(maxsplit=1) for line in commands.here("best", "small", "--final").out.splitlines())
    assert (lines["key"], lines["seeds"]) == (best.key, str(best.seeds))
    ranked = ("best", "small", "--final", "--by", "test_accuracy", "--count", "9")
    listed = json.loads(commands.here(*ranked, "--format", "json").out)
    assert listed == [one.row() for one in search.best_final("test_accuracy", count=9)]
    several = commands.here(*ranked)
    assert several.err.startswith("chosen by the test split: a score there is no longer one of samples that nobody")
    none = commands.here("best", "small", "--final", "--where", "test_accuracy > 0.999", "--format", "json")
    assert (none.status, none.out) == (1, "[]\n")
    assert none.sentence.endswith("finalists of 'small' keeps the limits")
    assert search.best_final(where="test_accuracy > 0.999") is None
    with pytest.raises(BadInput, match="at least 1; got 0"):
        search.best_final(count=0)
    [line] = [line for line in commands.here("status", "small").out.splitlines() if line.startswith("best final ")]
    assert line.split()[2:4] == [f"{best.key}:", "accuracy"]


def test_the_same_is_done_from_python(commands):
    search = gasearch.open("small", db=commands.url)
    worst = min(search.evaluations(), key=lambda one: one.metrics["accuracy"]).key
    [found] = search.finalize(worst[:8], seeds=1, workers=0)
    assert (found.key, found.seeds) == (worst, 1)
    [training] = search.final_trainings(worst)
    assert training.test["accuracy"] == found.metrics["test_accuracy"]


def test_limits_that_no_finalist_keeps_give_none(commands):
    commands.here("finalize", "small", "--top", "1", "--seeds", "1", "--workers", "0")
    done = commands.here("front", "small", "--final", "--where", "model_bytes <= 1")
    assert done.status == 1
    assert done.sentence.endswith("finalists of 'small' keeps the limits")


def test_what_succeeded_is_shown_though_some_trainings_failed(commands):
    key = gasearch.open("small", db=commands.url).best("accuracy").key
    assert commands.here("finalize", "small", key, "--seeds", "1", "--epochs", "2", "--workers", "0").status == 0
    with closing(open_archive(commands.url, notice=print)) as archive:
        search_id = archive.search("small").id
        [done] = [one for one in archive.finals(search_id, key) if one.epochs == 2]
        failed = replace(done, number=1, failure="diverged", message="loss is nan", metrics=(), test=())
        archive.add_final(search_id, failed)
    done = commands.here("finalize", "small", key, "--seeds", "2", "--epochs", "2", "--format", "json")
    assert done.status == 1
    assert done.sentence.startswith(f"1 of 2 trainings failed: {key} with seed 1: diverged: loss is nan; the others")
    [row] = json.loads(done.out)
    assert (row["key"], row["seeds"], row["failed"], row["epochs"]) == (key, 1, 1, 2)


def test_a_front_for_which_finalists_lack_an_objective_says_so(commands):
    search = gasearch.open("small", db=commands.url)
    objective = next(iter(search.status().objectives))
    commands.here("finalize", "small", "--top", "1", "--seeds", "1", "--workers", "0")
    with closing(open_archive(commands.url, notice=print)) as archive:
        search_id = archive.search("small").id
        stored = [one for one in archive.finals(search_id) if one.failure is None]
        for one in stored:
            metrics = tuple(pair for pair in one.metrics if pair[0] != objective)
            network = archive.final_network(search_id, one.id)
            archive.add_final(search_id, replace(one, recipe_json='{"epochs": 7}', metrics=metrics), network)
    done = commands.here("front", "small", "--final")
    assert done.status == 1
    assert done.sentence.startswith(f"no finalist of 'small' has {objective}, by which the search judges: finalize w")


def test_bad_input_is_refused_with_status_2(commands):
    keys = [one.key for one in gasearch.open("small", db=commands.url).evaluations()]
    done = commands.here("finalize", "small", keys[0], "--top", "1")
    assert done.status == 2
    assert done.sentence.startswith("networks are finalized by their keys, or chosen from the front")
    assert commands.here("finalize", "small", "--seeds", "0").status == 2
    assert commands.here("finalize", "smal", "--top", "1").status == 2


def test_an_ensemble_is_printed_beside_the_best_single_network(commands):
    commands.here("finalize", "small", "--top", "2", "--seeds", "2", "--workers", "0")
    done = commands.here("ensemble", "small", "--members", "2")
    assert done.status == 0, done.err
    titles, *rows = done.out.splitlines()
    assert titles.split()[:6] == ["what", "key", "number", "epochs", "weight", "accuracy"]
    assert "macro_f1" not in titles
    assert [row.split()[0] for row in rows][-2:] == ["ensemble", "best"]
    assert "by the validation split alone\nthe test split was read once more" in done.err
    answer = json.loads(commands.here("ensemble", "small", "--members", "2", "--format", "json").out)
    found = gasearch.open("small", db=commands.url).ensemble(members=2)
    assert answer == {"metric": "accuracy", "candidates": found.candidates, "rows": found.rows()}
    lines = commands.here("ensemble", "small", "--members", "2", "--format", "csv").out.splitlines()
    assert lines[0].startswith("what,key,number,epochs,weight,accuracy,macro_f1")
    assert len(lines) == 1 + len(found.rows())


def test_an_ensemble_is_made_of_one_member_at_least(commands):
    assert commands.here("ensemble", "small", "--members", "0").status == 2


def finalist(*scores, **changes):
    metrics = {"model_bytes": 7200.0}
    for score in scores:
        metrics |= {score: 0.9, f"{score}_deviation": 0.01, f"{score}_drop": 0.02}
        metrics |= {f"test_{score}": 0.8, f"test_{score}_deviation": 0.03, f"test_{score}_drop": 0.12}
    fields = {"key": "3f2a", "seeds": 2, "failed": 0, "epochs": 6, "is_on_front": True, "is_verified": True}
    return Finalist(**fields | {"metrics": metrics, "blueprint": {}} | changes)


def test_a_table_of_finalists_has_means_with_deviations_what_was_lost_and_bytes(capsys):
    print_finalists([finalist("accuracy", failed=1)], ["accuracy", "model_bytes"], Format.TABLE)
    assert capsys.readouterr().out.splitlines() == [
        "key          accuracy    drop    test_accuracy  test_drop  model_bytes  seeds  failed  verified",
        "3f2a  0.9000 ± 0.0100  0.0200  0.8000 ± 0.0300     0.1200       7.2 KB      2       1  yes",
    ]


def test_a_search_by_costs_alone_shows_the_first_score_and_one_by_two_scores_leaves_losses_out(capsys):
    print_finalists([finalist("accuracy", "macro_f1")], ["model_bytes"], Format.TABLE)
    assert capsys.readouterr().out.split()[:4] == ["key", "accuracy", "drop", "test_accuracy"]
    print_finalists([finalist("accuracy")], ["accuracy", "model_bytes", "accuracy"], Format.TABLE)  # asked for, too
    assert capsys.readouterr().out.split()[:4] == ["key", "accuracy", "drop", "test_accuracy"]
    print_finalists([finalist("accuracy", "macro_f1")], ["accuracy", "macro_f1"], Format.TABLE)
    titles = capsys.readouterr().out.split()[:6]
    assert titles == ["key", "accuracy", "test_accuracy", "macro_f1", "test_macro_f1", "model_bytes"]


def test_epochs_stand_where_they_differ(capsys):
    print_finalists([finalist("accuracy"), finalist("accuracy", epochs=60)], ["accuracy"], Format.TABLE)
    assert "  seeds  epochs  verified" in capsys.readouterr().out


def test_a_single_training_has_no_deviation():
    assert with_deviation({"accuracy": 0.9}, "accuracy") == "0.9000"
    assert with_deviation({"accuracy": 0.9, "accuracy_deviation": 0.012}, "accuracy") == "0.9000 ± 0.0120"
    assert with_deviation({}, "accuracy") == "-"
