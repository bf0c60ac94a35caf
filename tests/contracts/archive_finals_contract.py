"""Final trainings and verifications; run over each implementation by `tests/gasearch/storage`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gasearch.errors import StoreError, UnknownSearch
from gasearch.storage.records import SearchStatus, TuningTrial, Verdict
from tests.contracts.empty_store import EmptyStore
from tests.doubles.connections import writing
from tests.doubles.records import export, final, key_of, verification

EVERY_BYTE = bytes(range(256)) * 3


def as_given(stored):
    """Stored records without what the store gives them; the time is that of now."""
    assert all(abs(one.created_at - datetime.now(UTC)) < timedelta(seconds=60) for one in stored)
    own = {"created_at": None} | ({"id": None} if stored and hasattr(stored[0], "id") else {})
    return [replace(one, **own) for one in stored]


class FinalsContract(EmptyStore):
    """The part of the archive that keeps what comes after a search."""

    def test_final_trainings_read_back_in_order_without_their_networks(self, archive, lease):
        given = [final(0), final(1, failure="diverged", message="at 3", metrics=(), test=()), final(0, of=1)]
        for record, packed in zip(given, (EVERY_BYTE, None, b""), strict=True):
            archive.add_final(lease.search_id, record, packed)
        sizes = [len(EVERY_BYTE), 0, 0]
        expected = [replace(one, size_bytes=size) for one, size in zip(given, sizes, strict=True)]
        assert as_given(archive.finals(lease.search_id)) == expected
        assert as_given(archive.finals(lease.search_id, key_of(1))) == expected[2:]
        assert archive.finals(lease.search_id, "0") == []

    def test_the_network_of_a_final_training_comes_back_byte_for_byte(self, archive, reader, lease):
        archive.add_final(lease.search_id, final(0), EVERY_BYTE)
        [stored] = archive.finals(lease.search_id)
        assert reader.final_network(lease.search_id, stored.id) == EVERY_BYTE

    def test_what_has_no_network_gives_none(self, archive, lease):
        archive.add_final(lease.search_id, final(0, failure="died"))
        [stored] = archive.finals(lease.search_id)
        for number in (stored.id, stored.id + 1):
            with pytest.raises(UnknownSearch, match=rf"no network of a final training {number} is stored"):
                archive.final_network(lease.search_id, number)

    def test_a_training_is_stored_once_and_takes_the_place_of_a_failed_one(self, archive, lease):
        failed = final(0, failure="worker_lost", message="gone", metrics=(), test=())
        for record, packed in ((failed, None), (failed, None), (final(0), b"a"), (failed, None), (final(0), b"b")):
            archive.add_final(lease.search_id, record, packed)
        [stored] = archive.finals(lease.search_id)
        assert as_given([stored]) == [final(0, size_bytes=1)]
        assert archive.final_network(lease.search_id, stored.id) == b"a"

    def test_another_recipe_or_seed_is_another_training(self, archive, lease):
        for record in (final(0), final(1), final(0, recipe_json='{"epochs": 60}'), final(0, of=1)):
            archive.add_final(lease.search_id, record, b"x")
        assert len(archive.finals(lease.search_id)) == 4

    def test_a_number_that_is_none_is_refused(self, archive, lease):
        with pytest.raises(StoreError, match=r"only finite numbers can be stored; got nan"):
            archive.add_final(lease.search_id, final(0, test=(("auc", float("nan")),)), b"x")
        with pytest.raises(StoreError, match=r"only finite numbers can be stored; got inf"):
            archive.add_verification(lease.search_id, verification(measured=(("accuracy", float("inf")),)))
        assert archive.finals(lease.search_id) == archive.verifications(lease.search_id) == []

    def test_what_belongs_to_a_search_that_was_deleted_meanwhile_is_refused_in_words(self, archive, lease):
        archive.release(lease, state=SearchStatus.STOPPED, reason="enough")
        archive.delete_search("digits")
        trial = TuningTrial(key="k", study="s", number=0, recipe_json="{}", value=1.0, message="")
        for write in (
            lambda: archive.add_final(lease.search_id, final(0), b"x"),
            lambda: archive.add_export(lease.search_id, export()),
            lambda: archive.add_verification(lease.search_id, verification()),
            lambda: archive.add_trial(lease.search_id, trial),
        ):
            with pytest.raises(UnknownSearch, match=r"^the search was deleted meanwhile: nothing more was written$"):
                write()

    def test_a_network_that_changed_is_refused_and_its_record_is_not(self, url, archive, lease):
        archive.add_final(lease.search_id, final(0), b"abc")
        with writing(url) as connection:
            connection.exec_driver_sql("UPDATE finals SET packed = 'abd'")  # in SQLite a text, no bytes
        [stored] = archive.finals(lease.search_id)
        with pytest.raises(
            StoreError, match=rf"final training 0 of network {key_of(0)} \(search 1\) doesn't match its"
        ):
            archive.final_network(lease.search_id, stored.id)

    def test_an_export_reads_back_and_is_stored_once(self, archive, lease):
        given = [export(), export(of=1), export(digest="d2", files=(("model.onnx", "c" * 64),), claimed=())]
        for one in (*given, given[0], export(claimed=())):
            archive.add_export(lease.search_id, one)
        assert as_given(archive.exports(lease.search_id, key_of(0))) == [given[0], given[2]]
        assert as_given(archive.exports(lease.search_id, key_of(1))) == given[1:2]

    def test_verifications_read_back_in_order(self, archive, lease):
        given = [
            verification(),
            verification(verdict=Verdict.FAILED, message="3 points below", measured=()),
            verification(of=1, format="tflite", runtime="litert"),
            verification(),
        ]
        for one in given:
            archive.add_verification(lease.search_id, one)
        assert as_given(archive.verifications(lease.search_id)) == given
        assert as_given(archive.verifications(lease.search_id, key_of(1))) == given[2:3]
