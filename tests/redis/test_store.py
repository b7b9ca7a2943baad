"""The shared store, while its server is well: what is kept, for whom, for how long, and how it is forgotten."""

import dataclasses
from pathlib import Path

import pytest

from fastdag import Cache
from fastdag.upstream.policies.redis import RedisStore
from tests.upstream.policies.scripted import answer, get


def test_what_one_process_keeps_another_one_finds(store):
    one, two = store(), store()
    one.set("t", "v", b"\x00bytes\r\n", 60, 1000.0)
    assert two.get("t", "v") == b"\x00bytes\r\n"
    assert two.get("t", "w") is None
    assert two.failures() == []


def test_upstreams_and_prefixes_are_apart(store):
    store().set("t", "v", b"mine", 60, 1000.0)
    assert store("other").get("t", "v") is None
    assert store(prefix="test").get("t", "v") is None


def test_the_server_forgets_by_itself(store, server):
    store().set("t", "v", b"x", 50, 1000.0)
    store(longest=10).set("t", "w", b"x", 50, 1000.0)
    assert 40 <= int(server.say("TTL fastdag:1:up:t:v")[1:]) <= 50
    assert int(server.say("TTL fastdag:1:up:t:w")[1:]) <= 10


def test_a_variant_is_deleted_alone(store):
    one, two = store(), store()
    one.set("t", "v", b"x", 60, 1000.0)
    one.set("t", "w", b"y", 60, 1000.0)
    two.delete("t", "v")
    assert (one.get("t", "v"), one.get("t", "w")) == (None, b"y")


def test_a_purge_of_a_target_holds_for_all_its_variants_in_all_processes(store):
    one, two = store(), store()
    for target, variant in [("t", "v"), ("t", "w"), ("u", "v")]:
        one.set(target, variant, b"x", 60, 1000.0)
    two.delete("t")
    assert [one.get("t", "v"), one.get("t", "w"), one.get("u", "v")] == [None, None, b"x"]


def test_a_purge_of_everything_leaves_the_other_upstreams_alone(store):
    one, other = store(), store("other")
    one.set("t", "v", b"x", 60, 1000.0)
    other.set("t", "v", b"y", 60, 1000.0)
    store().delete()
    assert (one.get("t", "v"), other.get("t", "v")) == (None, b"y")


def test_what_was_asked_for_before_a_purge_is_not_given_though_it_was_stored_after(store):
    one, two = store(), store()
    two.delete("t")  # at 1000
    one.set("t", "v", b"old", 60, 999.9)
    assert one.get("t", "v") is None
    one.set("t", "v", b"new", 60, 1000.1)
    assert one.get("t", "v") == b"new"


def test_a_purge_is_remembered_for_as_long_as_what_it_purged_may_live(store, server):
    store(longest=100).delete("t")
    store(longest=100).delete()
    assert 90 <= int(server.say("TTL fastdag:1:up:purged:t")[1:]) <= 100
    assert 90 <= int(server.say("TTL fastdag:1:up:purged")[1:]) <= 100


def test_one_of_all_claims_until_it_is_set(store, server):
    stores = [store() for _ in range(4)]
    assert [each.claim("t", "v", 60) for each in stores] == [True, False, False, False]
    assert 50 <= int(server.say("TTL fastdag:1:up:claim:t:v")[1:]) <= 60
    stores[0].set("t", "v", b"x", 60, 1000.0)
    assert stores[1].claim("t", "v", 60)


def test_an_entry_under_another_key_is_not_taken(store, server):
    one = store()
    one.set("t", "v", b"of one user", 60, 1000.0)
    assert server.say("RENAME fastdag:1:up:t:v fastdag:1:up:t:w") == b"+OK"
    assert one.get("t", "w") is None


def test_what_is_too_large_is_not_kept(store):
    one = store(max_bytes=100)
    one.set("t", "v", b"x" * 101, 60, 1000.0)
    one.set("t", "w", b"x" * 100, 60, 1000.0)
    assert (one.get("t", "v"), one.get("t", "w")) == (None, b"x" * 100)


def test_a_key_of_another_type_is_told_and_is_not_there(store, server):
    assert server.say("LPUSH fastdag:1:up:claim:t:v x") == b":1"
    assert server.say("CONFIG SET maxmemory 1") == b"+OK"
    one = store()
    one.set("t", "v", b"x", 60, 1000.0)
    assert one.failures() == [("set", "protocol")]
    assert one.describe()["reachable"] is True


def test_says_where_it_is_but_not_with_which_password(store):
    options = RedisStore("redis://user:secret@cache.example:6380/2")
    assert "secret" not in repr(options)
    assert "secret" not in repr(Cache(ttl=1, store=options))
    assert options.address == "cache.example:6380"
    assert RedisStore("unix:///run/redis.sock").address == "/run/redis.sock"
    assert store().describe() | {"server": ""} == {"server": "", "reachable": True, "failed": 0, "skipped": 0}


@pytest.mark.parametrize(
    "options",
    [{"url": "http://x"}, {"timeout": 0}, {"open": -1}, {"longest": None}, {"failures": 0}, {"connections": 1.5}],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        RedisStore(**{"url": "redis://x", **options})


def test_every_option_is_documented():
    page = (Path(__file__).parents[2] / "docs/policies/cache.md").read_text()
    _, _, section = page.partition("| option of `RedisStore` |")
    assert [each.name for each in dataclasses.fields(RedisStore) if f"`{each.name}`" not in section] == []


def test_an_entry_that_another_version_stored_is_asked_for_again(store, worker):
    bench = worker(answer(200, b"fresh"))
    kept = bench.stack.vault.store
    bench.send()
    (key,) = kept._client().keys("fastdag:1:up:*")  # the server's only key
    target, variant = key.decode().split(":")[3:]
    kept.set(target, variant, b"\x93 something else", 60, bench.site.wall())
    assert bench.send().content == b"fresh"
    assert len(bench.transport.seen) == 2


def test_users_are_never_given_each_others_answers(worker):
    one, two = worker(_echo), worker(_echo)
    for bench in (one, two, one, two):
        for user in "abc":
            assert bench.send(get("/me", ("Authorization", user))).content == user.encode()
    assert len(one.transport.seen) == 3
    assert len(two.transport.seen) == 0


def _echo(call):
    return answer(200, dict(call.headers)["Authorization"].encode())
