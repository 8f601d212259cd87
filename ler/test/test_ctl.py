# -*- test-case-name: ler.test.test_ctl -*-
"""
Tests for L{ler.ctl.program} and L{ler.ctl.commands}: whole commands, against a
router in memory.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ler
from ler.ctl import main
from ler.ctl.commands import COMMANDS
from ler.ctl.options import make_parser
from ler.errors import EngineStartFailed, InsufficientMemory
from ler.interfaces import Residency
from ler.journal import Journal
from ler.test.ctl_case import URL, Answer, CommandCase, RouterCommandCase

CONFIG = """
port: 9000
api_keys: [secret]
engines:
  a: {type: remote, base_url: 'http://127.0.0.1:1'}
models:
  - {id: m, engine: a}
"""


class LookingTests(RouterCommandCase):
    """
    Commands that only look.
    """

    def test_status(self) -> None:
        """What is in memory is shown slot by slot, with the last swap."""
        self.bring_up("a")
        lines = self.said("status").splitlines()
        self.assertEqual(f"engine-router {self.told('status')['version']} at {URL}", lines[0])
        self.assertEqual("free memory: 3.0 GiB (mem)", lines[1])
        self.assertEqual(["exclusive", "ready", "a"], lines[4].split()[:3])
        self.assertEqual(["small", "empty", "-"], lines[5].split()[:3])
        self.assertEqual("last: nothing → a 0.0 s (settle 0.0 s, start 0.0 s)", lines[7])

    def test_swap_in_status(self) -> None:
        """A swap that is under way is shown with its phase."""
        self.slots.bring_up(Residency("b"))
        self.clock.advance(4)
        self.assertIn("now: nothing → b 4.0 s (settle 0.0 s, start 4.0 s…)", self.said("status"))
        self.engines["b"].started()

    def test_pause_in_status(self) -> None:
        """A pause is shown with its reason, which cannot fool the terminal."""
        self.successResultOf(self.slots.pause("I \x1b[2J need it"))
        self.assertIn("paused: I \ufffd[2J need it", self.said("status"))

    def test_models(self) -> None:
        """Models are listed with their owners, aliases with what they mean."""
        self.bring_up("a")
        rows = [line.split() for line in self.said("models").splitlines()]
        self.assertEqual(["MODEL", "ENGINE", "CONTEXT", "IN", "MEMORY"], rows[0])
        self.assertEqual(["model-a", "a", "4096", "yes"], rows[1])
        self.assertEqual(["model-b", "b", "-", "no"], rows[2])
        self.assertEqual(["alias", "=", "model-b", "b", "-", "no"], rows[3])

    def test_ids(self) -> None:
        """Ids alone come one a line."""
        self.assertEqual("model-a\nmodel-b\nalias\n", self.said("models", "--ids"))
        self.assertEqual("a\nb\nsmall\n", self.said("engines", "--ids"))
        self.assertEqual(["a", "b", "small"], self.told("engines", "--ids"))

    def test_engines(self) -> None:
        """Engines are listed with how they are."""
        self.bring_up("small")
        rows = [line.split() for line in self.said("engines").splitlines()]
        self.assertEqual(["small", "fake", "yes", "0", "-", "-", "http://127.0.0.1:1"], rows[3])

    def test_queue(self) -> None:
        """Those who wait are counted by what they wait for."""
        self.assertEqual("nobody waits\n", self.said("queue"))
        tickets = [self.slots.acquire(Residency("b")) for _ in range(2)]
        self.clock.advance(3)
        row = self.said("queue").splitlines()[1].split()
        self.assertEqual(["exclusive", "b", "2", "3.0", "s", "7.0", "s"], row)
        for ticket in tickets:
            ticket.cancel()
            self.failureResultOf(ticket)
        self.engines["b"].started()

    def test_history(self) -> None:
        """Swaps are listed with their phases, the newest first, as many as are asked for."""
        self.assertEqual("no swap yet\n", self.said("history"))
        self.bring_up("a")
        self.bring_up("small")
        lines = self.said("history", "--limit=1").splitlines()
        self.assertEqual(2, len(lines))
        self.assertEqual(2, len(self.told("history")))
        self.assertIn("operator", lines[1])
        self.assertTrue(lines[1].endswith("settle 0.0 s, start 0.0 s"))

    def test_discover(self) -> None:
        """Engines are asked for their models; one that does not answer is told apart."""
        self.assertEqual("small: tiny\na: does not answer\n", self.said("discover"))
        self.assertIn("tiny", self.said("models", "--ids"))

    def test_explain(self) -> None:
        """It is told who owns a model, after which wait it answers, and why."""
        self.bring_up("b")
        self.assertEqual(
            "gpt-4 waits for a swap, for about 12 s\n"
            "- gpt-4 means model-a\n"
            "- model-a is a model of engine a, where it is called a.gguf\n"
            "- b is in memory and has to go\n"
            "- how long it takes to start is not known yet\n",
            self.said("explain", "gpt-4"),
        )
        self.assertTrue(self.said("explain", "alias").startswith("alias is answered at once\n"))

    def test_explain_unknown(self) -> None:
        """A model that nobody has is refused with what is near."""
        self.assertIn("did you mean model-a", self.complaint(1, "explain", "modle-a"))

    def test_json(self) -> None:
        """Programs get what the router says."""
        self.assertEqual("exclusive", self.told("status")["slots"][0]["slot"])
        self.assertEqual([], self.told("history"))
        self.assertEqual("alias", self.told("models")["models"][2]["id"])
        self.assertEqual("now", self.explained_small())

    def explained_small(self) -> str:
        """
        @return: what a model of the small engine would meet, once it is there.
        """
        self.said("discover")
        self.bring_up("small")
        answer: str = self.told("explain", "tiny")["answer"]
        return answer


class OrderTests(RouterCommandCase):
    """
    Commands that change something.
    """

    def later(self, seconds: float) -> None:
        """
        The next wait takes so long.
        """
        self.waits.append(lambda: self.clock.advance(seconds))

    def test_use(self) -> None:
        """A model is brought up, and the swap told when it is over."""
        self.later(3)
        self.waits.append(self.engines["b"].started)
        self.assertEqual(
            "nothing → b 3.0 s (settle 0.0 s, start 3.0 s)\nalias is in memory\n",
            self.said("use", "alias"),
        )
        self.assertEqual(["b bring_up"], self.events)

    def test_use_engine(self) -> None:
        """The key of an engine will do."""
        self.waits.append(self.engines["small"].started)
        self.assertIn("small is in memory\n", self.said("use", "small"))

    def test_use_pattern(self) -> None:
        """So will what only an alias with a star knows."""
        self.waits.append(self.engines["a"].started)
        self.assertIn("gpt-5 is in memory\n", self.said("use", "gpt-5"))

    def test_use_what_is_there(self) -> None:
        """For what is in memory nothing is done."""
        self.bring_up("a")
        self.assertEqual("model-a is in memory\n", self.said("use", "model-a"))

    def test_progress(self) -> None:
        """On a terminal each phase is shown as it passes, and then wiped away."""
        self.bring_up("a")
        self.later(2)
        self.waits += [self.engines["a"].freed, self.engines["b"].started]
        self.assertEqual(0, self.run_command("--color=never", "use", "model-b", terminal=True))
        shown = [line.removeprefix("\x1b[K") for line in self.out.split("\r")]
        self.assertIn("a → b 0.0 s (drain 0.0 s, free 0.0 s…)", shown)
        self.assertIn("a → b 2.0 s (drain 0.0 s, free 2.0 s…)", shown)
        self.assertIn("a → b 2.0 s (drain 0.0 s, free 2.0 s, settle 0.0 s, start 0.0 s…)", shown)
        self.assertEqual("model-b is in memory", shown[-1].splitlines()[-1])

    def test_use_json(self) -> None:
        """Programs get the job, when it has ended, with its swaps."""
        self.waits.append(self.engines["a"].started)
        job = self.told("use", "model-a")
        self.assertEqual(("done", "swap to a"), (job["state"], job["what"]))
        self.assertEqual([("operator", True)], [(s["cause"], s["ok"]) for s in job["swaps"]])

    def test_use_fails(self) -> None:
        """An engine that does not come makes the command fail, with its reason."""
        self.waits.append(lambda: self.engines["a"].start_failed(EngineStartFailed("no such file")))
        complaint = self.complaint(1, "use", "model-a")
        self.assertEqual("routerctl: no such file\n", complaint)
        self.assertIn("nothing → a 0.0 s (settle 0.0 s, start 0.0 s): no such file\n", self.out)
        self.engines["a"].freed()

    def test_use_unknown(self) -> None:
        """A name that is nothing is told as the router does."""
        self.assertIn("no engine has a model 'what'", self.complaint(1, "use", "what"))

    def test_no_wait(self) -> None:
        """Who does not wait is told of the job."""
        self.assertRegex(self.said("use", "model-a", "--no-wait"), r"^job \w{12}: swap to a\n$")
        self.engines["a"].started()

    def test_unload(self) -> None:
        """The memory is emptied."""
        self.bring_up("a")
        self.waits.append(self.engines["a"].freed)
        self.assertEqual(
            "a → nothing 0.0 s (drain 0.0 s, free 0.0 s, settle 0.0 s)\nnothing is in memory\n",
            self.said("unload"),
        )

    def test_pause_and_resume(self) -> None:
        """Between the two every request is refused, with the reason."""
        self.said("pause", "I", "need", "it")
        self.assertEqual("I need it", self.slots.exclusive.describe()["paused"])
        explained = self.said("explain", "model-a")
        self.assertTrue(explained.startswith("model-a is refused\n"))
        self.assertIn("- the slot is paused: I need it\n", explained)
        self.assertEqual("requests are let in again\n", self.said("resume"))
        self.assertIsNone(self.slots.exclusive.describe()["paused"])

    def test_interrupted(self) -> None:
        """Ctrl-C ends the watching, and the router goes on."""

        def interrupt() -> None:
            raise KeyboardInterrupt

        self.waits.append(interrupt)
        complaint = self.complaint(130, "use", "model-a")
        self.assertIn("what the router has begun goes on", complaint)
        self.engines["a"].started()
        self.assertEqual(Residency("a"), self.slots.exclusive.resident)

    def test_too_large(self) -> None:
        """What does not fit is explained as a refusal, and refused."""
        self.memory.short["a"] = InsufficientMemory("a", 8 << 30, 4 << 30)
        self.assertIn("needs 8.0 GiB", self.said("explain", "model-a"))
        self.assertIn("needs 8.0 GiB", self.complaint(1, "use", "model-a"))


class LogTests(CommandCase):
    """
    C{routerctl logs}
    """

    def test_lines(self) -> None:
        """The last lines are shown, fit for a terminal."""
        self.canned["GET /logs?format=json&lines=2&engine=a"] = Answer(
            200, json.dumps({"engine": "a", "lines": ["one", "\x1b[31mtwo"]}).encode()
        )
        self.assertEqual("one\n\ufffd[31mtwo\n", self.said("logs", "a", "-n2"))

    def test_follow(self) -> None:
        """Further lines are shown as they come; what was left out is told."""
        self.canned["GET /logs/stream?lines=50"] = Answer(
            200,
            b'event: log\ndata: {"engine":null,"line":"one"}\n\n: keep-alive\n\n'
            b'event: log_gap\ndata: {"engine":null,"lines":7}\n\n',
        )
        self.assertEqual(0, self.run_command("logs", "-f"))
        self.assertEqual("one\n", self.out)
        self.assertIn("7 lines came too fast", self.err)
        self.run_command("logs", "-f", "--json")
        self.assertEqual({"engine": None, "line": "one"}, json.loads(self.out.splitlines()[0]))

    def test_end(self) -> None:
        """Ctrl-C is how following ends."""
        self.canned["GET /logs/stream?lines=50"] = KeyboardInterrupt()
        self.assertEqual("", self.said("logs", "-f"))

    def test_none(self) -> None:
        """A log that is not there is told as the router does."""
        error = {"error": {"code": "not_found", "message": "there is no engine 'x'"}}
        self.canned["GET /logs/stream?lines=50&engine=x"] = Answer(404, json.dumps(error).encode())
        self.assertEqual(
            "routerctl: there is no engine 'x'\n", self.complaint(1, "logs", "x", "-f")
        )


class FailureTests(CommandCase):
    """
    Nobody answers, or not as a router does.
    """

    def test_unreachable(self) -> None:
        """Nobody answers: exit status 3, with the address and who named it."""
        self.canned["GET /status"] = ConnectionRefusedError(111, "Connection refused")
        self.assertEqual(
            f"routerctl: no router answers at {URL}: Connection refused "
            "(the address is from $ROUTER_URL)\n",
            self.complaint(3, "status"),
        )

    def test_time_out(self) -> None:
        """Neither does one that says nothing."""
        self.canned["GET /status"] = TimeoutError("timed out")
        self.assertIn("timed out", self.complaint(3, "status"))

    def test_refused(self) -> None:
        """A key that is missing, or not good enough, is exit status 4."""
        for status in (401, 403):
            error = {"error": {"code": "invalid_api_key", "message": "the API key is wrong"}}
            self.canned["GET /status"] = Answer(status, json.dumps(error).encode())
            self.assertEqual("routerctl: the API key is wrong\n", self.complaint(4, "status"))

    def test_other_server(self) -> None:
        """A server of another kind is told apart from a router."""
        self.canned["GET /status"] = Answer(200, b"<html>hello</html>")
        self.assertIn("no engine-router: status 200, '<html>hello", self.complaint(1, "status"))
        self.canned["GET /status"] = Answer(200, b"{}")
        self.assertIn("another version, or no engine-router", self.complaint(1, "status"))

    def test_bad_address(self) -> None:
        """An address that is none is a mistake on the command line."""
        for url in ("127.0.0.1:8077", "http://", "ftp://x", "http://x:port"):
            self.assertIn("no URL such as", self.complaint(2, "--url", url, "status"))

    def test_usage(self) -> None:
        """So is a command that there is none of."""
        with redirect_stderr(io.StringIO()) as complaint:
            self.assertEqual(2, self.assertRaises(SystemExit, main, ["stats"]).code)
        self.assertIn("invalid choice: 'stats'", complaint.getvalue())

    def test_pipe(self) -> None:
        """Whoever reads may stop reading."""

        class Closed(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        self.assertEqual(141, main(["completion", "bash"], environ={}, out=Closed()))

    def test_reload(self) -> None:
        """What a reload has changed is told list by list."""
        self.canned["POST /admin/reload"] = Answer(
            200, b'{"changed": ["a"], "needs_restart": ["port"], "removed": []}'
        )
        self.assertEqual("changed: a\nneeds restart: port\n", self.said("reload"))
        self.canned["POST /admin/reload"] = Answer(200, b'{"changed": []}')
        self.assertEqual("nothing has changed\n", self.said("reload"))

    def test_cancel(self) -> None:
        """A request is named to be ended."""
        self.canned["DELETE /admin/requests/req%2F1"] = Answer(200, b'{"cancelled": "req/1"}')
        self.assertEqual("req/1 is ended\n", self.said("cancel", "req/1"))


class CheckTests(CommandCase):
    """
    C{routerctl check}
    """

    def test_right(self) -> None:
        """A configuration that is right is counted."""
        path = self.write(CONFIG)
        self.assertEqual(f"{path} is right: 1 models on a\n", self.said("check", path))
        self.assertEqual([], self.asked)

    def test_found(self) -> None:
        """Without a path it is the one that would be used."""
        self.environ["ROUTER_CONFIG"] = path = self.write(CONFIG)
        self.assertEqual(path, self.told("check")["file"])

    def test_wrong(self) -> None:
        """All that is wrong is told."""
        path = self.write(CONFIG.replace("port: 9000", "port: many") + "wrong: 1\n")
        complaint = self.complaint(1, "check", path)
        self.assertIn("port: must be", complaint)
        self.assertIn("2 problems", complaint)
        self.assertEqual(1, self.run_command("check", "--json", path))
        self.assertEqual(2, len(json.loads(self.out)["problems"]))

    def test_suspicious(self) -> None:
        """What is likely a mistake is told, too."""
        path = self.write(CONFIG.replace("api_keys: [secret]", "host: 0.0.0.0"))
        self.assertEqual(0, self.run_command("check", path))
        self.assertIn("without api_keys", self.err)

    def test_none(self) -> None:
        """Where there is none, it is told where one was looked for."""
        self.environ["ROUTER_CONFIG"] = "/nowhere/config.yaml"
        self.assertIn("/nowhere/config.yaml", self.complaint(1, "check"))


class RequestTests(CommandCase):
    """
    C{routerctl requests}
    """

    def setUp(self) -> None:
        """
        One request runs, another waits, a third one has ended.
        """
        super().setUp()
        journal = Journal(Clock(), lambda: 0.0)
        for id in ("req_1", "req_2", "req_3"):
            entry = journal.begin(
                id,
                engine="a",
                model="m",
                path="/v1/completions",
                key=None,
                cancel=lambda reason: None,
            )
            if id != "req_2":
                entry.admitted()
        entry.ended(status=200, outcome="ok", sent=2048)
        document = {"under_way": 2, "requests": [each.describe() for each in journal.requests(9)]}
        self.canned["GET /admin/requests"] = Answer(200, json.dumps(document).encode())

    def test_listed(self) -> None:
        """Those that are under way are listed with how they are."""
        rows = [line.split() for line in self.said("requests").splitlines()]
        self.assertEqual(["req_1", "m", "a", "running", "0.0", "s", "0.0", "s"], rows[1][:8])
        self.assertEqual(["req_2", "m", "a", "waiting", "0.0", "s", "-"], rows[2][:7])
        self.assertEqual(3, len(rows))

    def test_none(self) -> None:
        """It is told when there are none."""
        self.canned["GET /admin/requests"] = Answer(200, b'{"requests": []}')
        self.assertEqual("no request is under way\n", self.said("requests"))

    def test_ids(self) -> None:
        """Their ids help with the next command."""
        self.assertEqual("req_1\nreq_2\n", self.said("requests", "--ids"))
        self.assertIn("req_1\n", self.said("--complete", "cancel", "r"))


class PlaceTests(RouterCommandCase):
    """
    Which router is asked.
    """

    def test_configured(self) -> None:
        """A configuration names the router, and opens it."""
        del self.environ["ROUTER_URL"]
        self.environ["ROUTER_CONFIG"] = self.write(CONFIG)
        self.said("status")
        self.assertEqual({"http://127.0.0.1:9000"}, set(self.places))
        self.assertEqual("Bearer secret", self.sent[0][1]["Authorization"])

    def test_options_anywhere(self) -> None:
        """Options may stand before the command, and behind it."""
        self.said("--url", "http://one:1", "status")
        self.said("status", "--url", "http://two:2")
        self.assertEqual({"http://one:1", "http://two:2"}, set(self.places))


class CompletionTests(RouterCommandCase):
    """
    C{routerctl --complete}
    """

    def test_models(self) -> None:
        """The router is asked for its models."""
        self.assertEqual("model-a\nmodel-b\n", self.said("--complete", "explain", "mod"))

    def test_engines(self) -> None:
        """And for its engines."""
        self.assertEqual("small\n", self.said("--complete", "logs", "s"))

    def test_scripts(self) -> None:
        """There is a script for each shell, which asks so."""
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("routerctl --complete ", self.said("completion", shell))

    def test_no_router(self) -> None:
        """Without a router nothing is completed, and nothing told."""
        del self.environ["ROUTER_URL"]
        self.environ["ROUTER_URL"] = "nonsense"
        self.assertEqual("", self.said("--complete", "use", ""))


class CommandsTests(SynchronousTestCase):
    """
    The commands that there are.
    """

    def test_offered(self) -> None:
        """Every command that is offered is there, and explained in the documentation."""
        actions = make_parser()._actions
        [commands] = (action.choices for action in actions if action.dest == "command")
        assert commands is not None
        self.assertEqual({*COMMANDS}, {*commands})
        documentation = Path(ler.__file__).parent.parent / "docs" / "routerctl.rst"
        if not documentation.exists():
            raise SkipTest("not a checkout")
        text = documentation.read_text(encoding="utf-8")
        self.assertEqual([], [name for name in commands if f"``{name}" not in text])


class StreamsTests(CommandCase):
    """
    Where the command writes.
    """

    def test_standard_output(self) -> None:
        """Unless told otherwise it is standard output."""
        with redirect_stdout(io.StringIO()) as out:
            self.assertEqual(0, main(["completion", "fish"]))
        self.assertIn("complete -c routerctl", out.getvalue())

    def test_own_arguments(self) -> None:
        """Unless told otherwise the arguments are those of the process."""
        self.patch(sys, "argv", ["routerctl", "completion", "zsh"])
        with redirect_stdout(io.StringIO()) as out:
            main()
        self.assertIn("#compdef routerctl", out.getvalue())
