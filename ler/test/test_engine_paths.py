"""
Tests of L{ler.web.engine_paths}.
"""

from __future__ import annotations

from twisted.web.resource import Resource

from ler.interfaces import Residency
from ler.test.passing_case import UPGRADE, PassingCase
from ler.web.endpoints import Folder
from ler.web.engine_paths import EnginePaths

CONTROL_PATHS = ("/sleep", "/Models/unload")


class EnginePathsTests(PassingCase):
    """
    Tests of L{EnginePaths}.
    """

    def root(self) -> Resource:
        """
        @return: the paths, where they are.
        """
        paths = EnginePaths(self.catalog, self.passing, control_paths=CONTROL_PATHS)
        return Folder({"upstream": paths})

    def test_model(self) -> None:
        """
        The longest name of a model at the beginning of the path counts: an id
        or an alias, escaped or not; and one that Ollama takes for an id.
        """
        for path, name, engine in (
            (b"m/slots", "m", "a"),
            (b"m/large/slots", "m/large", "b"),
            (b"m%2Flarge/slots", "m/large", "b"),
            (b"%6D/slots", "m", "a"),
            (b"org/name/slots", "org/name", "b"),
            (b"org%2fname/slots", "org/name", "b"),
            (b"small/slots", "small", "a"),
            (b"our/small/slots", "our/small", "a"),
            (b"gpt-5/slots", "gpt-5", "a"),
            (b"gpt-5%2Fx/slots", "gpt-5/x", "a"),
            (b"hf.co/o/n/slots", "hf.co/o/n", "d"),
            (b"hf.co/o/n:latest/slots", "hf.co/o/n:latest", "d"),
        ):
            self.ask(b"/upstream/" + path)
            job, _ = self.carried()
            self.assertEqual((name, engine, b"/slots"), (job.model, job.engine, job.target))

    def test_residency(self) -> None:
        """
        What is asked must be in memory, as for any request.
        """
        self.ask(b"/upstream/m/slots")
        self.assertEqual(Residency("a"), self.carried()[0].residency)
        self.ask(b"/upstream/hf.co/o/n/slots")
        self.assertEqual(Residency("d", "hf.co/o/n:latest"), self.carried()[0].residency)

    def test_rest(self) -> None:
        """
        The rest of the path goes up with its query; a slash at its end says
        something to the engine.
        """
        for path, target in (
            (b"", b"/"),
            (b"/", b"/"),
            (b"?a=%2F", b"/?a=%2F"),
            (b"/v1/models?a", b"/v1/models?a"),
            (b"/app/", b"/app/"),
            (b"/app/?a", b"/app/?a"),
        ):
            self.ask(b"/upstream/m" + path)
            self.assertEqual(target, self.carried()[0].target)

    def test_several_models(self) -> None:
        """
        A server of several models is only read from: what is sent to it could
        be about another one.
        """
        for method in (b"POST", b"DELETE", b"PUT", b"PATCH"):
            reply = self.ask(b"/upstream/hf.co/o/n/api/delete", method, body=b'{"model":"x"}')
            self.assertIn("/v1", self.assert_refused(reply, 403, "forbidden"))
        self.ask(b"/upstream/hf.co/o/n/api/ps")
        self.assertEqual(b"/api/ps", self.carried()[0].target)

    def test_forbidden_model(self) -> None:
        """
        A model that may not be used is not, by this way either.
        """
        self.forbidden = "m"
        self.assert_refused(self.ask(b"/upstream/small/x"), 403, "cloud_model")

    def test_methods(self) -> None:
        """
        Any method that means something passes, with its body.
        """
        for method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
            self.ask(b"/upstream/m/slots", method, body=b"\0\xff")
            job, body = self.carried()
            self.assertEqual((method, b"\0\xff"), (job.method, body))
        self.ask(b"/upstream/m/slots", b"HEAD")
        self.assertEqual(b"HEAD", self.carried()[0].method)
        reply = self.ask(b"/upstream/m/slots", b"BREW")
        self.assert_refused(reply, 405, "method_not_allowed")
        self.assertEqual(b"DELETE, GET, HEAD, PATCH, POST, PUT", reply.one(b"allow"))

    def test_websocket(self) -> None:
        """
        A websocket passes as one.
        """
        self.ask(b"/upstream/org/name/ws?x", headers=UPGRADE)
        self.assertEqual(b"/ws?x", self.carried(self.websockets)[0].target)

    def test_control_paths(self) -> None:
        """
        What changes what an engine holds does not pass, whatever stands before
        it and whatever asks for it.
        """
        for path in (b"/sleep", b"/sleep/", b"/SLEEP?level=2", b"/api/v1/models/unload"):
            for headers in ({}, UPGRADE):
                reply = self.ask(b"/upstream/m" + path, headers=headers)
                self.assert_refused(reply, 403, "control_path")

    def test_two_ways(self) -> None:
        """
        What an engine might read in another way than the router does not pass.
        """
        for path in (
            b"/%73leep",
            b"/sleep%2F",
            b"/x/../sleep",
            b"/./sleep",
            b"//sleep",
            b"/sleep//",
            b"/sleep\\",
            b"/%2e%2e/sleep",
            b"/%ff",
        ):
            reply = self.ask(b"/upstream/m" + path)
            self.assert_refused(reply, 400, "invalid_path")
        # An escaped slash belongs to the name of a model.
        self.assert_refused(self.ask(b"/upstream/m%2Fsleep"), 404, "model_not_found")
        self.assert_refused(self.ask(b"/upstream/m%2F..%2Fsleep"), 404, "model_not_found")

    def test_unknown_model(self) -> None:
        """
        Nothing is guessed.
        """
        for path in (b"x/slots", b"org/slots", b"/m/slots", b"%00", b"a/" * 5000):
            reply = self.ask(b"/upstream/" + path)
            self.assert_refused(reply, 404, "model_not_found")

    def test_no_model(self) -> None:
        """
        Without a model there is nothing.
        """
        for path in (b"/upstream", b"/upstream/", b"/upstream?x"):
            self.assert_refused(self.ask(path), 400, "missing_model")

    def test_no_text(self) -> None:
        """
        A name has to be one.
        """
        self.assert_refused(self.ask(b"/upstream/%ff"), 400, "invalid_path")
