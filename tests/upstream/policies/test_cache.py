"""The cache: what is served, how old, to whom, and what happens behind."""

import gevent
import gevent.event
import pytest

from fastdag.errors import UpstreamConnectError, UpstreamProtocolError, UpstreamRejected, UpstreamTimeout
from fastdag.upstream.call import Call
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.identity import key_of
from fastdag.upstream.policies.store import Store

from .scripted import Bench, answer, get


def bench(*steps, **options):
    return Bench(*steps, cache=Cache(**{"ttl": 60, **options}))


def numbered():
    """A step whose answers count up."""
    count = [0]

    def step(call):
        count[0] += 1
        return answer(200, str(count[0]).encode())

    return step


def test_a_fresh_answer_is_given_again_with_its_age():
    b = bench(numbered())
    b.send()
    b.clock.now += 7
    again = b.send()
    assert again.content == b"1"
    assert again.headers["age"] == "7"
    assert again.headers["cache-status"] == "fastdag; hit; ttl=59"
    assert len(b.transport.seen) == 1
    assert b.told("cache.miss") == [{"upstream": "up"}]
    assert b.told("cache.hit") == [{"upstream": "up", "age": 7.0}]


def test_the_age_it_came_with_is_part_of_its_age():
    b = bench(answer(200, b"", Age="100", Cache_Control="max-age=200"), ttl=None)
    b.send()
    b.clock.now += 7
    assert b.send().headers.get_all("age") == ["107"]


def test_an_answer_ends_and_is_asked_for_anew():
    b = bench(numbered())
    b.send()
    b.clock.now += 66
    assert b.send().content == b"2"


@pytest.mark.parametrize(("draw", "ttl"), [("a", 54), ("b", 66)])
def test_a_ttl_of_our_own_varies_by_a_tenth(draw, ttl):
    b = bench(numbered())
    b.site.random = Draw(draw)
    b.send()
    b.clock.now += ttl - 0.1
    assert b.send().content == b"1"
    b.clock.now += 0.1
    assert b.send().content == b"2"


class Draw:
    def __init__(self, end):
        self.end = end

    def uniform(self, a, b):
        return a if self.end == "a" else b


def test_what_the_upstream_grants_is_never_lengthened():
    b = bench(answer(Cache_Control="max-age=10"), ttl=None)
    b.send()
    b.clock.now += 10
    b.send()
    assert len(b.transport.seen) == 2


def test_ttl_0_is_off():
    b = bench(numbered(), ttl=0, stale_if_error=60)
    assert [b.send().content for _ in range(2)] == [b"1", b"2"]
    assert b.stack.vault is None


@pytest.mark.parametrize(
    "other",
    [
        get("/y"),
        get("/x?a=1"),
        get("/x", ("Authorization", "Bearer b")),
        get("/x", ("Cookie", "sid=b")),
        get("/x", ("X-Tenant", "b")),
        get("/x", ("Accept-Language", "de")),
        get(max_bytes=10),
    ],
)
def test_what_differs_has_its_own_entry(other):
    b = bench(numbered())
    b.send(get("/x", ("Authorization", "Bearer a")))
    assert b.send(other).content == b"2"


def test_headers_that_only_say_for_whom_do_not_matter():
    one = get("/x", ("A", "1"), ("B", "2"), ("traceparent", "00-1"), ("X-Request-Id", "1"))
    assert key_of(one) == key_of(get("/x", ("b", "2"), ("a", "1"), ("Traceparent", "00-2")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([("A", "1"), ("B", "2")], [("A", "1B2")]),
        ([("A", "|b")], [("A|", "b")]),
        ([("A", "1"), ("A", "2")], [("A", "2"), ("A", "1")]),
        ([("A", "")], []),
    ],
)
def test_no_value_poses_as_another_part_of_the_key(one, other):
    assert key_of(get("/x", *one)) != key_of(get("/x", *other))


def test_a_credential_cannot_be_read_from_the_key_and_a_key_has_one_size():
    target, variant = key_of(get("/x" * 500_000, ("Authorization", "secret" * 100)))
    assert (len(target), len(variant)) == (32, 32)
    assert "secret" not in target + variant


def test_what_was_given_cannot_be_changed_for_others():
    b = bench(answer(200, b"x", ETag="1"))
    b.send()
    b.send().headers.raw.clear()
    assert b.send().headers["etag"] == "1"


# -- stale


def expired(*then, **options):
    """An answer whose time is just over, and what the upstream does next."""
    b = bench(answer(200, b"old", **options.pop("headers", {})), **options)
    b.send()
    b.transport.steps = list(then)
    b.clock.now += 66
    return b


def refreshed(b):
    """Wait for what is asked for behind the answers."""
    gevent.joinall(list(b.stack.vault.refreshes.values()), timeout=5)


def test_stale_while_revalidate_serves_at_once_and_refreshes_once():
    gate = gevent.event.Event()

    def refresh(call):
        gate.wait()
        return answer(200, b"new")

    b = expired(refresh, stale_while_revalidate=10, headers={"X": "1"})
    b.transport.seen.clear()
    stale = [b.send() for _ in range(50)]
    assert {response.content for response in stale} == {b"old"}
    assert stale[0].headers["age"] == "66"
    assert stale[0].headers["cache-status"] == "fastdag; hit; ttl=0"
    assert b.told("cache.stale")[0] == {"upstream": "up", "age": 66.0, "why": "revalidating"}
    gevent.sleep(0)
    assert len(b.transport.seen) == 1
    gate.set()
    refreshed(b)
    assert b.send().content == b"new"
    assert b.stack.vault.describe()["refreshing"] == 0


def test_the_refresh_does_not_end_with_its_caller_s_deadline():
    deadlines = []

    def refresh(call):
        deadlines.append(call.deadline)
        return answer(200, b"new")

    b = expired(refresh, stale_while_revalidate=10)
    b.send(get(deadline=b.clock.now + 0.001))
    gevent.sleep(0)
    assert deadlines == [None]


def test_a_refresh_that_fails_leaves_the_old_answer():
    b = expired(UpstreamConnectError("refused"), stale_while_revalidate=10)
    b.send()
    refreshed(b)
    assert b.send().content == b"old"
    refreshed(b)
    assert b.stack.vault.describe()["refreshing"] == 0


def test_refreshes_are_bounded_and_end_with_the_stack():
    hung = []

    def hang(call):
        hung.append(call)
        gevent.sleep(100)

    b = bench(answer(200, b"old"), stale_while_revalidate=10)
    for n in range(30):
        b.send(get(f"/{n}"))
    b.transport.steps = [hang]
    b.clock.now += 66
    for n in range(30):
        assert b.send(get(f"/{n}")).content == b"old"
    gevent.sleep(0)
    assert len(hung) == 16
    b.stack.close()
    refreshed(b)
    assert b.stack.vault.describe()["refreshing"] == 0
    assert b.transport.closed


BAD = [
    UpstreamConnectError("refused"),
    UpstreamTimeout("late"),
    UpstreamProtocolError("cut"),
    UpstreamRejected("open", reason="breaker_open"),
    answer(500),
    answer(502),
    answer(503),
    answer(504),
    answer(200, b"{", Content_Type="application/json"),
]


@pytest.mark.parametrize("bad", BAD)
def test_stale_if_error_stands_in_for_a_failure(bad):
    b = expired(bad, stale_if_error=30)
    b.clock.now += 10
    response = b.send()
    assert response.content == b"old"
    assert response.headers["age"] == "76"
    assert response.headers["cache-status"] == "fastdag; hit; ttl=-10"
    assert b.told("cache.stale") == [{"upstream": "up", "age": 76.0, "why": "error"}]


def test_what_has_been_stale_for_less_than_a_second_says_so():
    b = expired(answer(500), stale_if_error=30)
    b.clock.now += 0.25
    assert b.send().headers["cache-status"] == "fastdag; hit; ttl=-1"


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("over", [{"stale_if_error": 30}, {"stale_if_error": 0}])
def test_outside_its_window_the_failure_shows(bad, over):
    b = expired(bad, **over)
    b.clock.now += 30
    if isinstance(bad, Exception):
        with pytest.raises(type(bad)):
            b.send()
    else:
        assert b.send() is bad


@pytest.mark.parametrize("end", [answer(404), answer(400), answer(501)])
def test_other_answers_are_no_failure(end):
    assert expired(end, stale_if_error=30).send() is end


def test_must_revalidate_is_never_served_stale():
    b = expired(
        UpstreamTimeout("late"),
        stale_if_error=30,
        stale_while_revalidate=30,
        headers={"Cache_Control": "must-revalidate"},
    )
    with pytest.raises(UpstreamTimeout):
        b.send()


def test_a_broken_body_is_not_stored():
    b = bench(answer(200, b"{", Content_Type="application/json"))
    b.send()
    b.send()
    assert len(b.transport.seen) == 2


def test_a_whole_one_is():
    b = bench(answer(200, b"{}", Content_Type="application/problem+json"))
    b.send()
    b.send()
    assert len(b.transport.seen) == 1


def test_an_answer_that_may_not_be_stored_ends_an_older_one():
    b = expired(answer(404), stale_while_revalidate=10)
    b.send()
    refreshed(b)
    assert b.send().status_code == 404


# -- purging


def test_purge_a_target_in_all_its_variants_or_everything():
    b = bench(numbered())
    calls = [get("/x"), get("/x", ("A", "1")), get("/y")]
    for call in calls:
        b.send(call)
    b.stack.vault.purge("/x")
    assert [b.send(call).content for call in calls] == [b"4", b"5", b"3"]
    b.stack.vault.purge()
    assert b.send(get("/y")).content == b"6"


def test_what_is_on_its_way_while_purging_is_not_stored():
    b = bench(answer())

    def meanwhile(call):
        b.stack.vault.purge("/x")
        return answer(200, b"old")

    b.transport.steps = [meanwhile, answer(200, b"new")]
    b.send()
    assert b.send().content == b"new"


def test_a_change_elsewhere_meanwhile_keeps_nothing_from_being_stored():
    b = bench(answer())

    def meanwhile(call):
        b.send(Call("POST", "/y", [], b""))
        return answer(200, b"first")

    b.transport.steps = [meanwhile, answer(201), answer(200, b"second")]
    b.send()
    assert b.send().content == b"first"


@pytest.mark.parametrize(("status", "left"), [(200, b"3"), (201, b"3"), (302, b"3"), (400, b"1"), (500, b"1")])
def test_a_successful_change_drops_its_target(status, left):
    step = numbered()

    def behave(call):
        found = step(call)
        return found if call.method == "GET" else answer(status)

    b = bench(behave)
    b.send()
    b.send(Call("PUT", "/x", [], b""))
    assert b.send().content == left


def test_an_override_shares_what_is_stored():
    b = bench(numbered())
    b.send()
    assert b.send(get(options={"cache": Cache(ttl=5)})).content == b"1"
    assert b.send(get(options={"cache": None})).content == b"2"


def test_a_store_of_ones_own():
    class Own(Store):
        def __init__(self):
            self.kept = {}

        def get(self, target, variant):
            return self.kept.get((target, variant))

        def set(self, target, variant, value, seconds, since):
            assert isinstance(value, bytes)
            self.kept[target, variant] = value
            self.seconds = seconds

        def delete(self, target=None, variant=None):
            self.kept.clear()

        def describe(self):
            return {"where": "elsewhere"}

    store = Own()
    b = bench(numbered(), store=store, stale_if_error=100)
    b.send()
    assert b.send().content == b"1"
    assert store.seconds == 166
    assert b.stack.vault.describe() == {"where": "elsewhere", "refreshing": 0}


@pytest.mark.parametrize("options", [{"ttl": -1}, {"stale_if_error": "1"}, {"max_bytes": 0}, {"max_entries": 1.5}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        Cache(**options)
