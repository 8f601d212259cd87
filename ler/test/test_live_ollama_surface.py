# -*- test-case-name: ler.test.test_live_ollama_surface -*-
"""
Live tests of the C{/api} surface: an Ollama that does no more than keep models,
the router's site before it, and a client, over real sockets.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent

from ler.config.model import Config, Ollama
from ler.engines.catalog import Catalog, Owner, Right
from ler.engines.control import Control
from ler.engines.ollama_cards import OllamaCards
from ler.journal import Journal
from ler.metrics import Metrics
from ler.slot.slots import Slots
from ler.test.http import OPEN
from ler.test.live import PATIENCE
from ler.upstream import Upstream
from ler.web.endpoints import Endpoint, Folder, Missing
from ler.web.ollama import FrontDoor, ollama_tree
from ler.web.ollama_listing import Fleet
from ler.web.ollama_management import Management, managed_engine
from ler.web.record import Recorder
from ler.web.relay import Relay, RelayOptions
from ler.web.site import RouterSite
from ler.web.upward import Upward

reactor: Any = global_reactor
Result = TypeVar("Result")

BLOB = "/api/blobs/sha256:" + "0" * 64

PROGRESS = b'{"status":"pulling manifest"}\n'


class Conversation(BaseHTTPRequestHandler):
    """
    The requests of one connection.
    """

    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        """List the models."""
        models = [
            {"name": name, "model": name, "size": 1, "digest": "d" * 64, "details": {}}
            for name in self.server.models
        ]
        self._answer(200, {"models": models})

    def do_HEAD(self) -> None:
        """There is no blob."""
        self._answer(404, None)

    def do_DELETE(self) -> None:
        """Forget a model."""
        name = json.loads(self._body())["model"]
        found = name in self.server.models
        if found:
            self.server.models.remove(name)
        self._answer(200 if found else 404, None if found else {"error": f"no model '{name}'"})

    def do_POST(self) -> None:
        """Do the rest."""
        body = self._body()
        if self.path == "/api/pull":
            self._pull(json.loads(body)["model"])
        elif self.path == "/api/show":
            self._answer(200, {"capabilities": ["embedding"]})
        elif self.path == BLOB:
            self.server.blob = body
            self._answer(201, None)

    def _pull(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(PROGRESS)
        if not self.server.goes_on.wait(PATIENCE):
            return
        if name == "endless":
            try:
                while True:
                    self._chunk(PROGRESS * 1000)
                    self.server.sent += 1
            except OSError:
                self.server.left.set()
                self.close_connection = True
            return
        self.server.models.append(name)
        self._chunk(b'{"status":"success"}\n')
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, document: object) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class StandIn(ThreadingHTTPServer):
    """
    The Ollama.

    @ivar models: the models that it has.
    @ivar blob: what was uploaded.
    @ivar goes_on: set when a pull shall go on.
    @ivar sent: how many pieces of an endless pull it was able to send.
    @ivar left: set when the client of that has left.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.models: list[str] = []
        self.blob = b""
        self.goes_on, self.left = Event(), Event()
        self.sent = 0


class LiveCase(TestCase):
    """
    A router before the stand-in, with nobody in any slot.
    """

    timeout = 30

    def setUp(self) -> None:
        """
        Listen.
        """
        self.ollama = StandIn()
        thread = Thread(target=self.ollama.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.ollama.server_close)
        self.addCleanup(self.ollama.shutdown)
        url = f"http://127.0.0.1:{self.ollama.server_address[1]}"
        config = Config({"o": Ollama(key="o", base_url=url)}, allow_destructive_ollama_api=True)
        agent = Agent(reactor)
        control = Control(url, agent, reactor, {})
        self.cards = OllamaCards(control, timeout=PATIENCE, allow_cloud=False)
        self.catalog = Catalog([], {}, [Owner("o", by_model=True, tagged=True)])
        relay = Relay(
            cast(Slots, None),
            {"o": Upstream(url, agent, reactor, 8)},
            reactor,
            Recorder(Metrics(CollectorRegistry()), Journal(reactor), reactor),
            RelayOptions(),
        )
        fleet = Fleet(self.catalog, {"o": self.cards}, is_loaded=lambda _: False, idle_unload={})
        management = Management(
            self.catalog,
            relay,
            Upward({}, guarded=False),
            engine=managed_engine(config),
            allowed=True,
            changed=self.look,
        )
        api = ollama_tree(fleet, Missing(), management, version="0.32.0", allow_cloud=False)
        root = Folder({"": FrontDoor(Endpoint({})), "api": api})
        site = RouterSite(root, OPEN, tempfile.SpooledTemporaryFile, reactor)
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        self.looked = 0

    def look(self, engine: str) -> None:
        """
        The models of the Ollama may have changed.
        """

        def found(names: list[str] | None) -> None:
            self.catalog.claim(engine, Right.LIVE, names or [])
            self.looked += 1

        self.cards.list_models().addCallback(found)

    def connect(self) -> HTTPConnection:
        """
        @return: a client's connection.
        """
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """
        @return: status and body of an answer.
        """
        connection = self.connect()
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """
        Return once C{condition} is true.
        """
        until = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)


def aside(client: Callable[[Any], Result]) -> Callable[[Any], Deferred[Result]]:
    """
    @return: a test whose client runs beside the reactor.
    """

    def test(self: Any) -> Deferred[Result]:
        done: Deferred[Result] = deferToThread(client, self)
        return done

    test.__doc__ = client.__doc__
    return test


class ManagementTests(LiveCase):
    """
    The models of an Ollama, changed through the router.
    """

    @aside
    def test_pull(self) -> None:
        """Progress comes as it is made; the model is listed when it is there,
        with what the Ollama says of it, and gone when it is deleted."""
        connection = self.connect()
        connection.request("POST", "/api/pull", b'{"model":"nomic:latest"}')
        response = connection.getresponse()
        self.assertEqual("application/x-ndjson", response.getheader("Content-Type"))
        self.assertEqual(PROGRESS, response.readline())
        self.ollama.goes_on.set()
        self.assertEqual(b'{"status":"success"}\n', response.read())
        connection.close()
        self.wait_for(lambda: self.looked == 1)
        (model,) = json.loads(self.ask("GET", "/api/tags")[1])["models"]
        self.assertEqual(("nomic:latest", ["embedding"]), (model["name"], model["capabilities"]))
        status, body = self.ask("POST", "/api/show", b'{"name":"NOMIC"}')
        self.assertEqual((200, ["embedding"]), (status, json.loads(body)["capabilities"]))
        self.assertEqual((200, b""), self.ask("DELETE", "/api/delete", b'{"model":"nomic:latest"}'))
        self.wait_for(lambda: self.looked == 2)
        self.assertEqual({"models": []}, json.loads(self.ask("GET", "/api/tags")[1]))
        status, body = self.ask("DELETE", "/api/delete", b'{"model":"nomic:latest"}')
        self.assertEqual((404, {"error": "no model 'nomic:latest'"}), (status, json.loads(body)))
        self.wait_for(lambda: self.looked == 3)

    @aside
    def test_blob(self) -> None:
        """A blob is looked for, and uploaded when it is not there."""
        self.assertEqual((404, b""), self.ask("HEAD", BLOB))
        data = bytes(range(256)) * 2000
        self.assertEqual((201, b""), self.ask("POST", BLOB, data))
        self.assertEqual(data, self.ollama.blob)
        self.wait_for(lambda: self.looked == 1)

    @aside
    def test_slow_client(self) -> None:
        """A client that does not read stops the Ollama; one that leaves ends
        it."""
        self.ollama.goes_on.set()
        connection = self.connect()
        connection.request("POST", "/api/pull", b'{"model":"endless"}')
        response = connection.getresponse()
        response.read(1)
        last = -1
        while self.ollama.sent != last:
            last = self.ollama.sent
            time.sleep(0.3)
        self.assertFalse(self.ollama.left.is_set())
        response.close()
        connection.close()
        self.assertTrue(self.ollama.left.wait(PATIENCE))
        self.wait_for(lambda: self.looked == 1)

    @aside
    def test_front_door(self) -> None:
        """A client that only wants to know whether an Ollama is there is told
        so."""
        self.assertEqual((200, b"Ollama is running"), self.ask("GET", "/"))
        self.assertEqual((200, b""), self.ask("HEAD", "/"))
        self.assertEqual((200, b""), self.ask("HEAD", "/api/tags"))
