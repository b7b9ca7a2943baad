"""The kit used on a second service that is not the reference app: it takes bodies, writes, batches, and has a sink."""

import msgspec
import pytest

from fastdag import App, Batch, Context, Graph, Upstream
from fastdag.testing import (
    Asked,
    FakeUpstream,
    ask,
    failure_matrix,
    may_run,
    must_follow,
    must_run,
    override,
    reset,
    status,
)

accounts = Upstream("accounts", "http://accounts:8080", timeout=2)
cards = Upstream("cards", "http://cards:8080", timeout=2)
audit = Upstream("audit", "http://audit:8080", timeout=2)


class Transfer(msgspec.Struct):
    to: str
    amount: float


def load_cards(context, ids):
    return {card["id"]: card for card in cards.get("/cards", params={"id": ids}).json()}


card = Batch(load_cards)

pay = Graph("pay")
pay.fetch("limit", accounts, "/limits/{path.id}", output=False)
pay.fetch(
    "payment",
    accounts,
    "/payments",
    method="POST",
    json={"to": "{json.to}", "amount": "{json.amount}"},
    after=["limit"],
    output="payment",
)


@pay.node(output="cards", optional=True)
def charged(context, limit):
    return [found["name"] for found in card.load_all(limit["cards"])]


@pay.node(sink=True)
def written_down(context, payment):
    audit.post("/events", json={"paid": payment["id"]})


app = App()
app.add_graph("/accounts/{id}/transfers", pay, methods=("POST",), body=Transfer)

TRANSFER = Asked("/accounts/7/transfers", method="POST", body=b'{"to": "Ada", "amount": 5}')


@pytest.fixture
def bank(fake_upstream):
    bank = fake_upstream(accounts, cards)
    bank.on("GET /limits/{id}", {"of": "{id}", "cards": ["c1", "c2"]})
    bank.on("GET /cards", lambda call: [{"id": id, "name": f"card {id}"} for id in call.query["id"]])
    return bank


def test_a_body_is_json_unless_it_is_said_to_be_something_else(bank):
    payment = bank.on("POST /payments", lambda call: status(201, {"id": 1, "to": call.json()["to"]}))
    with override(pay, written_down=None):
        answered = ask(app, TRANSFER)
    assert msgspec.json.decode(answered.body) == {"payment": {"id": 1, "to": "Ada"}, "cards": ["card c1", "card c2"]}
    assert payment.calls[0].json() == {"to": "Ada", "amount": 5.0}
    assert ask(app, Asked(TRANSFER.target, "POST", {"content-type": "text/plain"}, TRANSFER.body)).status == 415


def test_the_limit_is_known_before_anything_is_paid_and_a_sink_can_be_waited_for(bank, fake_upstream):
    limit = bank.on("GET /limits/{id}", {"cards": ["c1", "c2"]})
    payment = bank.on("POST /payments", {"id": 1})
    events = fake_upstream(audit).on("POST /events", status(201))
    result = pay.run(Context(path={"id": "7"}, json={"to": "Ada", "amount": 5}))
    must_follow(payment, limit)
    must_run(result, "limit", "payment", "charged")
    may_run(result, "limit", "payment", "charged")
    assert pay.drain()
    assert events.calls[0].json() == {"paid": 1}


def test_a_sink_is_no_node_of_the_run():
    with override(pay, limit={"cards": []}, payment={"id": 1}, written_down=None):
        result = pay.run(Context())
    with pytest.raises(LookupError, match="no node 'written_down'; sinks run after it"):
        must_run(result, "written_down")


def test_a_failure_matrix_writes_what_every_call_of_a_route_with_a_body_may_meet(bank):
    bank.on("POST /payments", {"id": 1})
    with override(pay, written_down=None):
        matrix = failure_matrix(app, TRANSFER, slow=None, faults={"busy": status(503), "reset": reset()})
    assert [(row.node, row.fault, row.status) for row in matrix.rows] == [
        ("", "none", 200),
        ("limit", "busy", 503),
        ("limit", "reset", 502),
        ("payment", "busy", 503),
        ("payment", "reset", 502),
    ]


def test_sinks_meet_the_fakes_of_a_failure_matrix_too(bank):
    bank.on("POST /payments", {"id": 1})
    with FakeUpstream("audit") as fake:
        events = fake.on("POST /events", status(201))
        failure_matrix(app, TRANSFER, upstreams={audit: fake}, nodes=[])
    assert len(events.calls) == 1


def test_what_no_graph_answers_is_shown():
    with pytest.raises(ValueError, match=r"not answered by a graph: status 422, .*amount"):
        failure_matrix(app, Asked(TRANSFER.target, "POST", body=b'{"to": "Ada"}'))
