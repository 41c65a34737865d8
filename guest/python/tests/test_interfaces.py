"""Each interface, on the double."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import tollgate
from tollgate import Denied, FileError, HttpError, _loop, calls, clock, config, files, http, log, progress, random, secrets
from tollgate import state
from tollgate.testing import NOW, Gate, Reply, Request


def test_without_a_gate_the_way_to_one_is_named() -> None:
    with pytest.raises(RuntimeError, match="tollgate.testing"):
        files.grants()


def test_files(gate: Gate) -> None:
    data = gate.grant("data", {"a/b.txt": "x"})
    gate.grant("fixed", mode="r")
    assert [(grant.name, grant.mode) for grant in files.grants()] == [("data", "read-write"), ("fixed", "read-only")]
    files.append("data", "a/b.txt", "y")
    assert (files.read_text("data", "a/b.txt"), files.stat("data", "a/b.txt").size) == ("xy", 2)
    assert [entry.name for entry in files.list("data")] == ["a"]
    assert [path for path, _ in files.walk("data")] == ["a/b.txt"]
    with pytest.raises(FileExistsError):
        files.create("data", "a/b.txt", b"")
    with pytest.raises(FileNotFoundError, match="cannot read `c` in `data`: nothing is there"):
        files.read("data", "c")
    for grant, path, kind in [("no", "x", "no-such-grant"), ("fixed", "x", "read-only"), ("data", "../x", "invalid-path")]:
        with pytest.raises(FileError) as failed:
            files.write(grant, path, "")
        assert failed.value.kind == kind
    files.delete("data", "a/b.txt")
    assert not files.exists("data", "a/b.txt")
    data.deny("Closed.")
    with pytest.raises(Denied) as denied:
        files.read("data", "a/b.txt")
    assert (denied.value.reason, denied.value.decision) == ("Closed.", "test")


def test_an_open_file_is_stored_at_the_end_or_not_at_all(gate: Gate) -> None:
    data = gate.grant("data", {"in.txt": "1\n2\n"})
    with files.open("data", "in.txt") as file, files.open("data", "out.bin", "wb") as out:
        for line in file:
            out.write(line.strip().encode())
    assert data.text("out.bin") == "12"
    with pytest.raises(ZeroDivisionError), files.open("data", "out.bin", "a") as text:
        text.write("3")
        raise ZeroDivisionError
    assert data.text("out.bin") == "12"
    with pytest.raises(ValueError, match="mode"):
        files.open("data", "x", "r+")  # type: ignore[call-overload]


def test_requests(gate: Gate) -> None:
    gate.secret("key")
    gate.web.answer("POST", "https://a.test/x?b=1&c=true", 201, json={"ok": True}, headers={"X-A": "1"})
    response = http.post(
        "https://a.test/x",
        params={"b": 1, "c": True, "d": None},
        json={"e": 2},
        bearer="key",
        credentials=[secrets.query("k", "key")],
        timeout=timedelta(seconds=2),
    )
    assert (response.status, response.ok, response.json(), response.headers["x-a"]) == (201, True, {"ok": True}, "1")
    sent = gate.web.sent[0]
    assert (sent.json(), sent.headers["Content-Type"], sent.timeout) == ({"e": 2}, "application/json", 2.0)
    assert [credential.place for credential in sent.credentials] == ["query", "bearer"]
    with pytest.raises(Denied, match="no secret `other`"):
        http.get("https://a.test/x", bearer="other")
    with pytest.raises(TypeError, match="jsn"):
        http.post("https://a.test/x", jsn=1)  # type: ignore[call-arg]
    gate.web.fail("down.test", "timeout")
    with pytest.raises(HttpError, match="cannot GET https://down.test/: it took too long") as failed:
        http.get("https://down.test/?token=x")
    assert failed.value.kind == "timeout"


def test_pages_are_followed_and_bounded(gate: Gate) -> None:
    def page(request: Request) -> Reply:
        number = int(request.url.rpartition("=")[2])
        return Reply(json={"next": number + 1 if number < 3 else None})

    gate.web.handle("GET", "https://a.test/p", page)

    def step(response: http.Response) -> Any:
        found = response.json()["next"]
        return {"page": found} if found else None

    def walk(most: int = 100) -> int:
        return len(list(http.pages("https://a.test/p", params={"page": 1}, next=step, most=most)))

    assert walk() == 3
    with pytest.raises(HttpError, match="more than 2 pages"):
        walk(2)
    for link, why in [("https://b.test/", "another server"), ("/q", "read already")]:
        gate.web.answer("GET", "https://a.test/q", headers={"link": f'<{link}>; rel="prev next"'})
        with pytest.raises(HttpError, match=why):
            list(http.pages("https://a.test/q"))
        gate.web._answers.clear()


def test_state(gate: Gate) -> None:
    state.run.set_json("a", [1])
    assert (state.run.get_json("a"), state.adapter.get("a"), state.run.keys()) == ([1], None, ["a"])
    assert state.adapter.update("n", lambda old: str(int(old or 0) + 1)) == b"1"
    assert not state.adapter.compare_and_set("n", None, "2")
    assert (state.adapter.delete("n"), state.adapter.delete("n")) == (True, False)
    with pytest.raises(tollgate.StateError, match="64 KiB"):
        state.run.set("b", bytes(state.MAX_VALUE + 1))
    gate.end_run()
    assert state.run.get("a") is None
    gate.deny("state", "No.")
    with pytest.raises(Denied, match="No."):
        state.run.get("a")


def test_calls(gate: Gate) -> None:
    def refuse(arguments: dict[str, Any]) -> str:
        raise Denied("Not you.")

    gate.answer("a__b", lambda given: {"x": given["y"]})
    gate.answer("a__c", refuse)
    assert calls.call("a__b", y=1).structured == {"x": 1}
    with pytest.raises(Denied, match="Not you"):
        calls.call("a__c", {})
    with pytest.raises(tollgate.CallError, match="no tool `z`"):
        calls.call("z")


def test_config(gate: Gate) -> None:
    gate.configure(limit=5, names=["a"], on=True)
    assert (config.integer("limit"), config.number("limit"), config.text("url", "x")) == (5, 5.0, "x")
    assert (config.texts("names"), config.boolean("on"), config.get("none")) == (["a"], True, None)
    with pytest.raises(tollgate.ConfigError, match="`on`: it should be an integer"):
        config.integer("on")
    with pytest.raises(tollgate.ConfigError):
        config.get("a b")


def test_the_rest(gate: Gate) -> None:
    assert clock.now() == NOW
    gate.advance(timedelta(seconds=2))
    assert clock.elapsed() == timedelta(seconds=2)
    first = random.token_hex(4)
    gate.seed(0)
    assert random.token_hex(4) == first
    assert random.uuid4().version == 4
    with pytest.raises(tollgate.RandomError):
        random.bytes(random.MAX_BYTES + 1)
    assert list(progress.track("ab", message="m")) == ["a", "b"]
    progress.report(1)
    assert [(report.progress, report.total) for report in gate.reports] == [(1, 2), (2, 2)]
    log("a")
    log.error("b")
    assert gate.logs == [("info", "a"), ("error", "b")]
    assert not secrets.exists("x")


def test_coroutines_end_or_say_what_they_wait_for() -> None:
    async def one(n: int) -> int:
        await asyncio.sleep(0)
        return n

    async def both() -> list[int]:
        return list(await asyncio.gather(one(1), one(2)))

    async def late() -> None:
        await asyncio.sleep(60)

    assert _loop.finish(both()) == [1, 2]
    with pytest.raises(RuntimeError, match="cannot happen"):
        _loop.finish(late())


def test_a_value_of_the_wrong_type_is_named_before_the_host_sees_it(gate: Gate) -> None:
    gate.grant("data")
    gate.web.answer("GET", "https://a.test/")
    wrong: Any = None
    acts: list[Callable[[], object]] = [
        lambda: files.read(wrong, "a"),
        lambda: files.write("data", "a", wrong),
        lambda: state.run.set("a", wrong),
        lambda: state.run.get(wrong),
        lambda: calls.call(wrong),
        lambda: config.get(wrong),
        lambda: http.get("https://a.test/", headers={"a": wrong}),
        lambda: http.post("https://a.test/", data=5),  # type: ignore[typeddict-item,arg-type,unused-ignore]
    ]
    for act in acts:
        with pytest.raises(TypeError):
            act()
    with pytest.raises(ValueError, match="surrogates"):
        files.read("data", "\ud800")
    with pytest.raises(ValueError, match="negative"):
        progress.report(-1)
    with pytest.raises(HttpError, match="redirects"):
        http.get("https://a.test/", redirects=300)
    log.info("\ud800")
    assert gate.logs == [("info", "?")]
