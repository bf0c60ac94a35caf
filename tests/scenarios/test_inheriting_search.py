"""What a search tells its workers about parents, folders and fidelity."""

from dataclasses import replace

import pytest
from gasearch_workers.messages import Fidelity, Recipe

from gasearch.search.ownership import StopSignal
from gasearch.storage.owner import current_owner
from gasearch.storage.records import SearchStatus
from gasearch.storage.sql import open_archive
from tests.doubles.scripted import Scripted
from tests.doubles.searches import loop_over

INHERITING = {"recipe": Recipe(is_inheriting=True)}


@pytest.fixture
def archive(tmp_path):
    opened = open_archive(f"sqlite:///{tmp_path / 'search.db'}", notice=lambda message: None)
    yield opened
    opened.close()


def test_a_child_is_told_its_parents_keys_and_where_their_weights_are(archive):
    evaluator = Scripted()
    loop_over(archive, evaluator=evaluator, asked=INHERITING | {"weights_folder": "/weights"}).run()
    stored = {one.number: one for one in archive.candidates(archive.search("small").id)}
    keys = {number: one.key for number, one in stored.items()}
    parents = {one.key: tuple(keys[number] for number in one.parents) for one in stored.values()}
    assert any(parents.values())
    assert {request.key: request.parents for request in evaluator.requests} == parents
    assert {request.weights_folder for request in evaluator.requests} == {"/weights"}


def test_parents_have_been_evaluated_when_their_children_are_asked_for(archive):
    evaluator = Scripted()
    loop_over(archive, evaluator=evaluator, asked=INHERITING | {"weights_folder": "/weights"}).run()
    done: set[str] = set()
    for request in evaluator.requests:
        assert done.issuperset(request.parents)
        done.add(request.key)


def test_without_inheritance_nobody_is_told_of_parents(archive):
    evaluator = Scripted()
    loop_over(archive, evaluator=evaluator).run()
    assert {(request.parents, request.weights_folder) for request in evaluator.requests} == {((), None)}


def test_a_resumed_search_knows_the_parents_of_before(archive):
    class Interrupting(Scripted):
        def evaluate(self, request):
            if len(self.requests) == 25:
                stop.request("test")
            return super().evaluate(request)

    first, second, stop = Interrupting(), Scripted(), StopSignal()
    options = {"asked": INHERITING | {"weights_folder": "/weights"}}
    loop = loop_over(archive, evaluator=first, stop=stop, **options)
    loop.run()
    record = archive.search("small")
    archive.release(loop.log.lease, state=SearchStatus.STOPPED, reason="test")
    lease = archive.claim("small", owner=current_owner(), ttl_s=60)
    loop_over(archive, lease=lease, evaluator=second, **options).run()
    stored = {one.number: one for one in archive.candidates(record.id)}
    expected = {one.key: tuple(stored[number].key for number in one.parents) for one in stored.values()}
    assert {one.key: one.parents for one in (*first.requests, *second.requests)} == expected
    assert any(one.parents for one in second.requests)


def test_the_fidelity_of_the_problem_is_asked_for_and_stored(archive):
    fidelity = Fidelity(epochs=2, data_share=0.25)
    evaluator = Scripted()
    loop_over(archive, evaluator=evaluator, evaluations=5, asked={"fidelity": fidelity}).run()
    assert {request.fidelity for request in evaluator.requests} == {fidelity}
    stored = archive.evaluations(archive.search("small").id)
    assert {(one.epochs, one.data_share) for one in stored} == {(2, 0.25)}


def test_without_a_fidelity_the_recipe_s_epochs_are_asked_for_on_all_data(archive):
    evaluator = Scripted()
    asked = {"recipe": replace(Recipe(), epochs=7)}
    loop_over(archive, evaluator=evaluator, evaluations=3, asked=asked).run()
    assert {request.fidelity for request in evaluator.requests} == {Fidelity(epochs=7, data_share=1.0)}
