"""The routes: the same answers as the command line, and an error that is always JSON."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

import gasearch
from gasearch import cli
from gasearch.storage.sql import open_archive
from gasearch.web import create_app
from tests.doubles.archived import fill_database, scripted_reader
from tests.doubles.records import final, verification
from tests.doubles.service import API, TOKEN, Shared, assert_is_error, client_of


@pytest.fixture
def reader():
    return scripted_reader()


@pytest.fixture
def client(reader):
    app = create_app("sqlite:///unused.db", TOKEN)
    app.state.reader = Shared(lambda: reader)
    return client_of(app)


@pytest.mark.parametrize(
    ("command", "path", "parameters"),
    [
        ("list", "", {}),
        ("status digits", "/digits/status", {}),
        ("front digits", "/digits/front", {}),
        ("front digits --by latency_ms", "/digits/front", {"by": "latency_ms"}),
        ("best digits", "/digits/best", {}),
        ("best digits --knee", "/digits/best", {"knee": "true"}),
        ("best digits --target accuracy=0.9,macs=1K", "/digits/best", {"target": "accuracy=0.9,macs=1K"}),
        ("trade digits --for accuracy=+0.02", "/digits/trade", {"for": "accuracy=+0.02"}),
        ("trade digits --for macs=-1K --from 0002", "/digits/trade", {"for": "macs=-1K", "from": "0002"}),
        ("best digits --count 3 --by macs:min", "/digits/best", {"count": 3, "by": "macs:min"}),
        (
            "best digits --where model_bytes<=6KB --where accuracy>0.5",
            "/digits/best",
            {"where": ["model_bytes<=6KB", "accuracy>0.5"]},
        ),
        ("history digits", "/digits/history", {}),
        ("why digits", "/digits/operators", {}),
        ("why digits 0001", "/digits/networks/0001/why", {}),
        ("why digits 0001 --depth 0", "/digits/networks/0001/why", {"depth": 0}),
        ("compare digits other", "/../compare", {"name": ["digits", "other"]}),
    ],
)
def test_the_api_answers_what_the_command_line_answers(url, capsys, command, path, parameters):
    assert cli.call([*command.split(), "--db", url, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    response = client_of(create_app(url, TOKEN)).get(API + path, params=parameters)
    assert response.status_code == 200
    assert response.json() == printed


def test_finalists_are_answered_as_python_answers_them(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    fill_database(url)
    with closing(open_archive(url, notice=pytest.fail)) as archive:
        search_id = archive.search("digits").id
        key = archive.front(search_id)[0].key
        for number in range(2):
            archive.add_final(search_id, final(number, key=key), b"gap")
        archive.add_verification(search_id, verification(measured=(("test_accuracy", 0.5),), key=key))
    client = client_of(create_app(url, TOKEN))
    verified = {row["key"] for row in client.get(f"{API}/digits/front").json() if row["verified"] is True}
    assert verified == {key}
    response = client.get(f"{API}/digits/finals", params={"by": "test_accuracy"})
    assert response.status_code == 200
    assert response.json() == [one.row() for one in gasearch.open("digits", db=url).finals()]
    assert response.json()[0]["test_accuracy"] == pytest.approx(1 / 3)
    best = client.get(f"{API}/digits/finals/best", params={"by": "test_accuracy", "where": "accuracy >= 0.1"})
    assert best.json() == response.json()
    assert client.get(f"{API}/digits/finals/best", params={"where": "test_accuracy >= 0.9"}).json() == []
    assert_is_error(client.get(f"{API}/digits/finals/best?by=speed"), 422, "no finalist of 'digits' has 'speed'")


def test_a_search_is_described_with_its_spec_and_its_status(client):
    found = client.get(f"{API}/digits").json()
    assert found["spec"]["budget"] == {"evaluations": 40, "hours": 1.0}
    assert found["summary"]["told"] == 8
    assert found["data"] == {"count": 1437}


def test_limits_that_nothing_keeps_give_an_empty_array(client):
    response = client.get(f"{API}/digits/best", params={"where": "latency_ms <= 0.01"})
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/digits/best?wher=macs<1", "unknown parameters: wher; there are by, where, knee, target, count"),
        ("/digits/front?by=macs&limit=3&x=1&limit=4", "unknown parameters: limit, x; there are by, where"),
        ("/digits/status?name=other", "unknown parameters: name; there are none"),
        ("?verbose", "unknown parameters: verbose; there are none"),
        ("/../compare?name=digits&names=other", "unknown parameters: names; there are name"),
    ],
)
def test_a_parameter_that_there_is_not_is_refused_by_its_name(client, path, text):
    assert_is_error(client.get(API + path), 422, text)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/digits/nothing", 404, "Not Found"),
        ("/nope", 404, "did you mean digits"),
        ("/digits/best?by=speed", 422, "has no metric 'speed'"),
        ("/digits/best?by=speed:up", 422, "has no metric 'speed'"),
        ("/digits/best?where=fast", 422, "a limit reads like"),
        ("/digits/front?where=latency%20%3C%3D%202", 422, "did you mean latency_ms"),
        ("/digits/best?knee=true&by=macs", 422, "leave one of the two out"),
        ("/digits/best?knee=perhaps", 422, "query.knee"),
        ("/digits/best?target=fast", 422, "a target reads like"),
        ("/digits/trade", 422, "query.for"),
        ("/digits/trade?for=accuracy", 422, "say by how much, with the sign"),
        ("/digits/trade?for=accuracy%3D%2B1%25&from=9999", 404, "a key that begins with '9999'"),
        ("/digits/best?count=0", 422, "query.count"),
        ("/digits/best?count=1001", 422, "query.count"),
        (f"/digits/best?by={'x' * 201}", 422, "at most 200"),
        (f"/digits/best?where={'x' * 201}", 422, "at most 200"),
        ("/digits/best?" + "&".join(["where=macs<1"] * 17), 422, "at most 16"),
        (f"/{'x' * 201}", 422, "at most 200"),
        ("/dig%00its", 422, "path.name"),
        ("/digits/networks/9999/why", 404, "a key that begins with '9999'"),
        (f"/digits/networks/{'x' * 201}/why", 422, "at most 200"),
        ("/digits/networks/0001/why?depth=-1", 422, "query.depth"),
        ("/digits/networks/0001/why?depth=1001", 422, "query.depth"),
        ("/nope/operators", 404, "did you mean digits"),
        ("/../compare", 422, "two different searches; got none"),
        ("/../compare?name=digits", 422, "two different searches; got 'digits'"),
        ("/../compare?name=digits&name=nope", 404, "did you mean digits"),
        ("/../compare?name=digits&name=a%0Ab", 422, "query.name"),
        ("/../compare?" + "&".join(f"name=s{number}" for number in range(21)), 422, "at most 20"),
        ("/..%2f..%2fetc%2fpasswd", 404, "Not Found"),
    ],
)
def test_a_request_that_can_t_be_answered_gets_a_json_error(client, path, status, text):
    assert_is_error(client.get(API + path), status, text)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(client, method):
    assert_is_error(client.request(method, f"{API}/digits"), 405, "Method Not Allowed")


def test_what_is_not_finite_becomes_null_never_nan(client, reader):
    reader.record = scripted_reader(space_size=float("inf")).record
    reader.all_generations = tuple(
        type(generation)(
            **{name: getattr(generation, name) for name in generation.__slots__} | {"hypervolume": float("nan")}
        )
        for generation in reader.all_generations
    )
    assert client.get(f"{API}/digits").json()["space_size"] is None
    assert client.get(f"{API}/digits/history").json()[0]["hypervolume"] is None
