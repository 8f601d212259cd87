# -*- test-case-name: ler.test.test_live_clients -*-
"""
An engine that plays recorded answers: it speaks OpenAI's chats, completions
and embeddings, and nothing else, so that every other dialect is translated.

When it is offered a tool that it knows, it calls that; once it has been told
what came of it, it repeats that.  Otherwise it says C{--says}.  C{--plays}
makes it fail instead, in one of the ways of L{FAULTS}.

It needs nothing but the standard library and runs as a script.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ECHO = "echo magpie-$((6*7))"

CALLS: Mapping[str, Mapping[str, object]] = {
    "get_weather": {"city": "Z\u00fcrich"},
    "Bash": {"command": ECHO, "description": "Say a word"},
    "bash": {"command": ECHO, "description": "Say a word"},
    "exec_command": {"cmd": ECHO},
}
"""What it calls tools with, by their name: that of the checks, and the shells
of Claude Code, OpenCode and Codex."""

FAULTS = {
    "refuse": "400, as for a prompt that is too long",
    "fail": "500",
    "complain": "an error in the middle of a stream",
    "cut": "a connection that ends in the middle of a stream",
}

SIZE = 64
"""The length of its vectors."""

Delta = dict[str, Any]


def play(request: Mapping[str, Any], sentence: str) -> tuple[list[Delta], str]:
    """
    @return: the deltas of the answer to a chat, and its reason to finish.
    """
    last = request["messages"][-1]
    offered = [tool["function"]["name"] for tool in request.get("tools") or ()]
    called = next((name for name in CALLS if name in offered), None)
    if last["role"] == "tool":
        return [{"content": part} for part in ("It says: ", _text(last["content"]))], "stop"
    if called is None:
        return [{"content": token} for token in re.findall(r" ?[^ ]+", sentence)], "stop"
    call: Delta = {"id": "Xy0KnGkZbcTPk7vtZAlEhGc5aCh3CSYu", "type": "function"}
    call["function"] = {"name": called, "arguments": ""}
    # Where a token ends has nothing to do with where a word does.
    pieces = re.findall("(?s).{1,5}", json.dumps(CALLS[called]))
    calls = [call, *({"function": {"arguments": piece}} for piece in pieces)]
    return [{"tool_calls": [{"index": 0, **each}]} for each in calls], "tool_calls"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content)


def gather(deltas: list[Delta]) -> Delta:
    """
    @return: the message that the deltas make.
    """
    message: Delta = {"role": "assistant", "content": None}
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    if calls:
        arguments = "".join(call["function"]["arguments"] for call in calls)
        function = {"name": calls[0]["function"]["name"], "arguments": arguments}
        message["tool_calls"] = [{"id": calls[0]["id"], "type": "function", "function": function}]
    else:
        message["content"] = "".join(delta["content"] for delta in deltas)
    return message


class Conversation(BaseHTTPRequestHandler):
    """
    The requests of one connection.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Recorded

    def do_GET(self) -> None:
        """Answer the health check."""
        self._answer(200, {"status": "ok"})

    def do_POST(self) -> None:
        """Answer a question."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        plays = self.server.plays
        if plays == "refuse":
            words = "the request exceeds the available context size, try increasing it"
            self._complain(400, words, "exceed_context_size_error")
        elif plays == "fail":
            self._complain(500, "Failed to parse input at pos 0", "server_error")
        elif self.path == "/v1/chat/completions":
            self._chat(request)
        elif self.path == "/v1/completions":
            choice = {"index": 0, "text": self.server.says, "finish_reason": "stop"}
            self._answer(200, self._completion("text_completion", choice))
        elif self.path == "/v1/embeddings":
            texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
            vector = [1.0, *[0.0] * (SIZE - 1)]
            data = [{"index": index, "embedding": vector} for index in range(len(texts))]
            self._answer(200, {"object": "list", "data": data, "model": self.server.model})
        else:
            self._complain(404, "File Not Found", "not_found_error")

    def _chat(self, request: Mapping[str, Any]) -> None:
        deltas, finish = play(request, self.server.says)
        if request.get("stream"):
            self._stream(deltas, finish, (request.get("stream_options") or {}))
        else:
            choice = {"finish_reason": finish, "index": 0, "message": gather(deltas)}
            self._answer(200, self._completion("chat.completion", choice))

    def _stream(self, deltas: list[Delta], finish: str, options: Mapping[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self._events(deltas, finish, bool(options.get("include_usage"))):
            if event is None:
                self.close_connection = True
                return
            frame = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        self.wfile.write(b"0\r\n\r\n")

    def _events(self, deltas: list[Delta], finish: str, usage: bool) -> Iterator[str | None]:
        kind = "chat.completion.chunk"
        for count, delta in enumerate([{"role": "assistant", "content": None}, *deltas]):
            if count == 3 and self.server.plays == "complain":
                yield json.dumps(_error(500, "failed to decode the batch", "server_error"))
                return
            if count == 3 and self.server.plays == "cut":
                yield None
            choice: Delta = {"finish_reason": None, "index": 0, "delta": delta}
            chunk = self._completion(kind, choice, with_usage=False)
            yield json.dumps(chunk, ensure_ascii=False)
        choice = {"finish_reason": finish, "index": 0, "delta": {}}
        yield json.dumps(self._completion(kind, choice, with_usage=False))
        if usage:
            yield json.dumps(self._completion(kind))
        yield "[DONE]"

    def _completion(
        self, kind: str, *choices: object, with_usage: bool = True
    ) -> Mapping[str, object]:
        answer = {
            "choices": choices,
            "created": 1763987654,
            "id": "chatcmpl-QLjHnxCf3uRbCfxOeQ8zrFHT5kVhvyUu",
            "model": self.server.model,
            "system_fingerprint": "b7143-ec18edfcb",
            "object": kind,
        }
        usage = {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18}
        return {**answer, "usage": usage} if with_usage else answer

    def _complain(self, status: int, message: str, kind: str) -> None:
        self._answer(status, _error(status, message, kind))

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def _error(code: int, message: str, kind: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "type": kind}}


class Recorded(ThreadingHTTPServer):
    """
    The engine.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", options.port), Conversation)
        self.model = options.model
        self.says = options.says
        self.plays = options.plays

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks is the client's affair."""


def main() -> None:
    """
    Be an engine until the process is ended.
    """
    parser = argparse.ArgumentParser(description="An engine that plays recorded answers.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="recorded", help="its name for itself")
    parser.add_argument("--says", default="Hello.", help="what it answers")
    parser.add_argument("--plays", choices=FAULTS, help="what goes wrong")
    parser.add_argument("--load-s", type=float, default=0, help="seconds until it listens")
    options = parser.parse_args()
    time.sleep(options.load_s)
    Recorded(options).serve_forever()


if __name__ == "__main__":
    main()
