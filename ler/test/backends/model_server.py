# -*- test-case-name: ler.test.test_live_model_servers -*-
"""
What the stand-ins of servers that load models on demand have in common: they
are resources of twisted.web, so that they run in memory, too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater, react
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

TOO_LARGE = "too-large"
"""A model that every server knows, and fails to load."""

CHAT = "POST /v1/chat/completions"

Answer = tuple[int, object]
"""Status and JSON of an answer; text is sent as a stream of events."""


class ModelServer(Resource):
    """
    A server that holds models.

    @ivar loaded: what it holds: instances, each with its model.
    @ivar load_s: seconds that a load takes.
    @ivar chat_s: seconds that a chat takes, which is answered by what is loaded
        at its end.
    @ivar asked: method and path of every request.
    @ivar routes: by method and path, what answers a request, given that and
        the JSON of its body.
    """

    isLeaf = True

    def __init__(self, clock: Any, load_s: float = 0.0) -> None:
        """
        @param clock: an C{IReactorTime}.
        """
        super().__init__()
        self.clock = clock
        self.load_s = load_s
        self.chat_s = 0.0
        self.loaded: dict[str, str] = {}
        self.asked: list[str] = []
        self.routes: dict[str, Callable[[Request, dict[str, Any]], Any]] = {}

    def render(self, request: Request) -> int:
        """
        Answer, now or later.
        """
        asked = f"{request.method.decode()} {request.path.decode()}"
        self.asked.append(asked)
        assert request.content is not None
        body = json.loads(request.content.read() or b"{}")
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)

        def send(answer: Answer) -> None:
            status, document = answer
            if gone:
                return
            if isinstance(document, str):
                kind, text = "text/event-stream", document
            else:
                kind, text = "application/json", json.dumps(document)
            request.setResponseCode(status)
            request.setHeader("Content-Type", kind)
            request.write(text.encode())
            request.finish()

        route = self.routes.get(asked, self.unknown)
        if asked == CHAT and self.chat_s:
            answering = deferLater(self.clock, self.chat_s, route, request, body)
        else:
            answering = maybeDeferred(route, request, body)
        answering.addCallback(send)
        return NOT_DONE_YET

    def unknown(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        Answer a request that has no route.
        """
        return 404, {"error": {"message": "Not Found"}}

    def after_load(self) -> Deferred[None]:
        """
        @return: a L{Deferred} that fires when a load that begins now is over;
            it goes on when the client hangs up.
        """
        return deferLater(self.clock, self.load_s)

    def completion(self, model: str, body: dict[str, Any]) -> Answer:
        """
        @return: C{model}'s answer to a chat.
        """
        head = {"id": "chatcmpl-1", "created": 0, "model": model}
        said = {"role": "assistant", "content": "Hello"}
        if not body.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            return 200, {**head, "object": "chat.completion", "choices": [choice]}
        chunk = {"index": 0, "delta": said, "finish_reason": "stop"}
        event = json.dumps({**head, "object": "chat.completion.chunk", "choices": [chunk]})
        return 200, f"data: {event}\n\ndata: [DONE]\n\n"


def serve(make: Callable[[Any, float], ModelServer], argv: list[str]) -> None:
    """
    Be a server until a signal comes.

    @param make: what makes it, of a clock and the seconds that a load takes.
    """
    parser = argparse.ArgumentParser(description="An inference server without the inference.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--load-s", type=float, default=0.0, help="seconds that a load takes")
    parser.add_argument("--chat-s", type=float, default=0.0, help="seconds that a chat takes")
    options = parser.parse_args(argv)

    def run(reactor: Any) -> Deferred[None]:
        server = make(reactor, options.load_s)
        server.chat_s = options.chat_s
        site = Site(server)
        reactor.listenTCP(options.port, site, interface=options.host)
        return Deferred()

    react(run)
