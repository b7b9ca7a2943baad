"""The store in memory: bounded, and forgetful in the right order."""

from fastdag.upstream.policies.store import MemoryStore

from .scripted import Clock


def store(max_bytes=1 << 20, max_entries=100):
    return MemoryStore(max_bytes, max_entries, Clock())


def test_keeps_what_it_is_given():
    s = store()
    s.set("t", "v", b"x", 10)
    assert s.get("t", "v") == b"x"
    assert s.get("t", "w") is None


def test_replaces_and_counts_once():
    s = store()
    s.set("t", "v", b"x" * 100, 10)
    s.set("t", "v", b"y", 10)
    assert s.get("t", "v") == b"y"
    assert s.describe() == {"entries": 1, "bytes": 513}


def test_forgets_when_the_time_is_over():
    s = store()
    s.set("t", "v", b"x", 10)
    s._clock.now += 10
    assert s.get("t", "v") is None
    assert s.describe() == {"entries": 0, "bytes": 0}


def test_the_longest_unused_goes_first():
    s = store(max_entries=2)
    s.set("a", "", b"", 10)
    s.set("b", "", b"", 10)
    s.get("a", "")
    s.set("c", "", b"", 10)
    assert [s.get(key, "") for key in "abc"] == [b"", None, b""]


def test_bytes_are_bounded():
    s = store(max_bytes=80_000)
    for n in range(1000):
        s.set(str(n), "", b"x" * 5000, 10)
        assert s.describe()["bytes"] <= 80_000
    assert s.get("999", "") is not None


def test_ever_new_keys_stay_within_the_number():
    s = store(max_bytes=1 << 30, max_entries=1000)
    for n in range(100_000):
        s.set(str(n), "", b"", 10)
    assert s.describe()["entries"] == 1000
    assert len(s._by_target) == 1000


def test_what_would_push_out_many_is_not_kept():
    s = store(max_bytes=8000)
    s.set("a", "", b"x" * 1000, 10)
    assert s.get("a", "") is None


def test_delete_one_variant_a_target_or_all():
    s = store()
    for target, variant in [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")]:
        s.set(target, variant, b"", 10)
    s.delete("a", "1")
    assert s.get("a", "1") is None
    assert s.get("a", "2") == b""
    s.delete("a")
    assert s.get("a", "2") is None
    assert s.get("b", "1") == b""
    s.delete("nobody")
    s.delete()
    assert s.describe() == {"entries": 0, "bytes": 0}
