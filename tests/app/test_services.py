"""The services the shop aggregates, over real sockets."""

import time

import pytest
import requests


def get(url, **params):
    return requests.get(url, params=params, timeout=5)


def test_a_product_is_the_same_every_time(services):
    first, second = (get(f"{services['catalogue']}/products/42").json() for _ in range(2))
    assert first == second
    assert first["id"] == 42
    assert set(first) == {"id", "name", "category", "description", "seller_id"}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("catalogue", "/products/301"),
        ("prices", "/prices/301"),
        ("stock", "/stock/301"),
        ("reviews", "/reviews/301"),
        ("recommendations", "/related/301"),
        ("sellers", "/sellers/21"),
        ("orders", "/orders/999999"),
    ],
)
def test_what_is_not_there_is_404(services, name, path):
    assert get(services[name] + path).status_code == 404


def test_many_are_asked_for_at_once_and_unknown_ones_left_out(services):
    found = get(f"{services['prices']}/prices", product=[3, 999, 1]).json()
    assert [price["product_id"] for price in found] == [3, 1]


def test_nothing_asked_for_is_an_empty_list(services):
    assert get(f"{services['catalogue']}/products").json() == []


def test_search_finds_by_word_and_category(services):
    found = get(f"{services['catalogue']}/products/search", q="LAMP", category="lighting", limit=3).json()
    assert found["total"] > 3
    assert len(found["products"]) == 3
    assert all("lamp" in product["name"] for product in found["products"])


def test_a_limit_that_makes_no_sense_is_refused(services):
    assert get(f"{services['catalogue']}/products/search", limit=0).status_code == 400


def test_reservations_add_up_until_the_stock_is_gone(services):
    available = get(f"{services['stock']}/stock/5").json()["available"]
    url, line = f"{services['stock']}/reservations", {"product_id": 5, "quantity": 1}
    assert available > 0
    for _ in range(available):
        assert requests.post(url, json=[line], timeout=5).status_code == 201
    assert requests.post(url, json=[line], timeout=5).status_code == 409


def test_one_order_cannot_take_the_same_product_twice_over(services):
    available = get(f"{services['stock']}/stock/1").json()["available"]
    lines = [{"product_id": 1, "quantity": available}, {"product_id": 1, "quantity": 1}]
    assert requests.post(f"{services['stock']}/reservations", json=lines, timeout=5).status_code == 409


@pytest.mark.parametrize("body", [b"", b"[", b'[{"product_id": 1}]', b'[{"product_id": 1, "quantity": 0}]'])
def test_a_reservation_that_is_none_is_refused(services, body):
    assert requests.post(f"{services['stock']}/reservations", data=body, timeout=5).status_code == 400


def test_a_failing_service_answers_with_the_status_it_was_given(services, fault):
    fault("sellers", status=503)
    assert get(f"{services['sellers']}/sellers/1").status_code == 503
    fault("sellers")
    assert get(f"{services['sellers']}/sellers/1").status_code == 200


def test_a_slow_service_takes_its_time(services, fault):
    fault("sellers", delay=0.2)
    started = time.monotonic()
    assert get(f"{services['sellers']}/sellers/1").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_hanging_service_says_nothing_until_it_is_healed(services, fault):
    fault("sellers", hang=True)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{services['sellers']}/sellers/1", timeout=0.2)
    fault("sellers")
    assert get(f"{services['sellers']}/sellers/1").status_code == 200


def test_a_late_fault_lets_the_service_do_its_work_first(services, fault):
    before = get(f"{services['stock']}/reservations").json()
    fault("stock", status=500, late=True)
    line = {"product_id": 3, "quantity": 1}
    assert requests.post(f"{services['stock']}/reservations", json=[line], timeout=5).status_code == 500
    fault("stock")
    assert len(get(f"{services['stock']}/reservations").json()) == len(before) + 1


def test_a_fault_breaks_one_service_and_no_other(services, fault):
    fault("sellers", status=500)
    assert get(f"{services['catalogue']}/products/1").status_code == 200


@pytest.mark.parametrize("body", [b"{", b'{"delay": -1}', b'{"status": 200}', b'{"slow": true}'])
def test_a_fault_that_is_none_is_refused(services, body):
    answer = requests.put(f"{services['sellers']}/_fault", data=body, timeout=5)
    assert answer.status_code == 400
    assert get(f"{services['sellers']}/_fault").json() == {}
