"""Numbers on their way to a disk that is slow, or full."""

import gevent

from fastdag.concurrency import original
from fastdag.observe import metrics as module
from fastdag.observe.metrics import Metrics
from fastdag.observe.share import Share, encode


def test_a_slow_disk_holds_neither_the_loop_nor_what_is_counted_meanwhile(tmp_path, monkeypatch):
    """A write that does not end: the loop goes on, no other begins, and the last one waits for it and is the last."""
    disk, ident, writers = original("_thread", "allocate_lock")(), original("_thread", "get_ident"), []
    write, encoded_at = Share.write, []

    def slow(share, encoded):
        writers.append(ident())
        disk.acquire(timeout=10)
        write(share, encoded)
        disk.release()
        writers.append("ended")

    monkeypatch.setattr(Share, "write", slow)
    monkeypatch.setattr(module, "encode", lambda numbers: encoded_at.append(ident()) or encode(numbers))
    disk.acquire()
    found = Metrics(tmp_path, interval=0.001)
    found.start()
    while not writers:
        gevent.sleep(0.001)
    found.events()["retry.scheduled"]("retry.scheduled", {"upstream": "catalog"})
    gevent.sleep(0.02)
    assert (len(writers), len(encoded_at)) == (1, 1)

    def recover():
        original("time", "sleep")(0.02)
        disk.release()

    original("_thread", "start_new_thread")(recover, ())
    found.stop()
    assert writers == [writers[0], "ended", ident(), "ended"]
    assert writers[0] != ident()
    assert encoded_at == [ident(), ident()]
    assert Share(tmp_path).others()["fastdag_retries_total", "catalog"] == [1]


def test_what_a_thread_has_not_begun_to_write_when_it_stops_is_not_written(tmp_path):
    found = Metrics(tmp_path)
    found.start()
    share = found._share
    found.events()["retry.scheduled"]("retry.scheduled", {"upstream": "catalog"})
    found.stop()
    assert found._write_unless_stopped(share, encode({("fastdag_retries_total", "catalog"): [5]})) is None
    assert Share(tmp_path).others()["fastdag_retries_total", "catalog"] == [1]


def test_what_cannot_be_written_is_written_later(tmp_path, caplog):
    found = Metrics(tmp_path / "shared")
    found.start()
    (tmp_path / "shared").rename(tmp_path / "away")
    found.events()["retry.scheduled"]("retry.scheduled", {"upstream": "catalog"})
    found._write()
    assert "metrics could not be written" in caplog.text
    (tmp_path / "away").rename(tmp_path / "shared")
    found.stop()
    assert Share(tmp_path / "shared").others()["fastdag_retries_total", "catalog"] == [1]
