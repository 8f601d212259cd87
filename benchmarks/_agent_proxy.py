"""
The yardstick: what a proxy of forty lines costs on the same Twisted.

It knows one engine, no keys, no models, no dialects, and keeps no log.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

ENGINE = b"http://127.0.0.1:%d"


class BodyRelay(Protocol):
    """
    Copies a body, at the pace of the slower.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self._gone = False
        request.notifyFinish().addErrback(self._left)

    def connectionMade(self) -> None:
        self._request.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._gone:
            return
        self._request.unregisterProducer()
        if reason.check(ResponseDone):
            self._request.finish()
        else:
            self._request.loseConnection()

    def _left(self, _: object) -> None:
        self._gone = True
        transport: Any = self.transport
        if transport is not None:
            transport.stopProducing()


class Proxy(Resource):
    """
    Sends everything to the engine.
    """

    isLeaf = True

    def __init__(self, agent: Agent, engine: bytes) -> None:
        super().__init__()
        self._agent = agent
        self._engine = engine

    def render(self, request: Any) -> int:
        headers = Headers()
        for name, values in request.requestHeaders.getAllRawHeaders():
            if name.lower() not in (b"host", b"content-length", b"connection"):
                headers.setRawHeaders(name, values)
        body = FileBodyProducer(request.content)
        sent = self._agent.request(request.method, self._engine + request.uri, headers, body)
        sent.addCallback(self._answer, request)
        sent.addErrback(lambda _: request.loseConnection())
        return NOT_DONE_YET

    def _answer(self, response: Any, request: Any) -> None:
        request.setResponseCode(response.code)
        for name, values in response.headers.getAllRawHeaders():
            request.responseHeaders.setRawHeaders(name, values)
        if isinstance(response.length, int):
            request.setHeader(b"content-length", b"%d" % response.length)
        response.deliverBody(BodyRelay(request))


def main(port: int, engine: int) -> None:
    """
    Serve for ever.
    """
    run: Any = reactor
    pool = HTTPConnectionPool(run)
    pool.maxPersistentPerHost = 64
    site: Any = Site(Proxy(Agent(run, pool=pool), ENGINE % engine))
    site.log = lambda request: None
    run.listenTCP(port, site, backlog=4096, interface="127.0.0.1")
    run.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
