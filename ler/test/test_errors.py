# -*- test-case-name: ler.test.test_errors -*-
"""
Tests of L{ler.errors}.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from ler import errors
from ler.errors import GIB, InsufficientMemory, InvalidKey, RouterError, WrongMethod

# By code: status and type in the OpenAI dialect, the same in the Anthropic one, status in the
# Ollama one, and whether the SDKs are told not to try again.
ANSWERS = {
    "invalid_request": (400, "invalid_request_error", 400, "invalid_request_error", 400, None),
    "invalid_json": (400, "invalid_request_error", 400, "invalid_request_error", 400, None),
    "invalid_multipart": (400, "invalid_request_error", 400, "invalid_request_error", 400, None),
    "missing_model": (400, "invalid_request_error", 400, "invalid_request_error", 400, None),
    "invalid_config": (400, "invalid_request_error", 400, "invalid_request_error", 400, None),
    "invalid_path": (400, "invalid_request_error", 400, "invalid_request_error", 400, None),
    "model_not_found": (404, "invalid_request_error", 404, "not_found_error", 404, None),
    "unsupported_by_engine": (
        *(400, "invalid_request_error"),
        *(400, "invalid_request_error"),
        *(400, None),
    ),
    "not_found": (404, "invalid_request_error", 404, "not_found_error", 404, None),
    "method_not_allowed": (405, "invalid_request_error", 405, "invalid_request_error", 405, None),
    "request_too_large": (413, "invalid_request_error", 413, "request_too_large", 413, None),
    "unsupported_media_type": (
        *(415, "invalid_request_error"),
        *(415, "invalid_request_error"),
        *(415, None),
    ),
    "invalid_api_key": (401, "authentication_error", 401, "authentication_error", 401, None),
    "forbidden": (403, "permission_error", 403, "permission_error", 403, None),
    "foreign_host": (403, "permission_error", 403, "permission_error", 403, None),
    "control_path": (403, "permission_error", 403, "permission_error", 403, None),
    "destructive_api_disabled": (403, "permission_error", 403, "permission_error", 403, None),
    "cloud_model": (403, "permission_error", 403, "permission_error", 403, None),
    "not_offered": (501, "invalid_request_error", 501, "invalid_request_error", 501, False),
    "websocket_unavailable": (
        *(501, "invalid_request_error"),
        *(501, "invalid_request_error"),
        *(501, False),
    ),
    "unavailable": (503, "server_error", 529, "overloaded_error", 503, None),
    "queue_full": (503, "server_error", 529, "overloaded_error", 503, None),
    "deadline_missed": (503, "server_error", 529, "overloaded_error", 503, None),
    "would_swap": (503, "server_error", 529, "overloaded_error", 503, False),
    "shutting_down": (503, "server_error", 529, "overloaded_error", 503, None),
    "paused": (503, "server_error", 529, "overloaded_error", 503, None),
    "slot_pinned": (503, "server_error", 529, "overloaded_error", 503, None),
    "engine_unavailable": (503, "server_error", 529, "overloaded_error", 503, None),
    "engine_stuck": (503, "server_error", 529, "overloaded_error", 503, None),
    "engine_unreachable": (503, "server_error", 529, "overloaded_error", 503, None),
    "engine_refuses": (503, "server_error", 529, "overloaded_error", 503, None),
    "cut_by_drain": (503, "server_error", 529, "overloaded_error", 503, None),
    "cut_by_operator": (503, "server_error", 529, "overloaded_error", 503, False),
    "withdrawn": (503, "server_error", 529, "overloaded_error", 503, None),
    "insufficient_memory": (503, "server_error", 500, "api_error", 500, False),
    "engine_start_failed": (502, "server_error", 500, "api_error", 500, False),
    "engine_start_timeout": (504, "server_error", 504, "timeout_error", 504, False),
    "engine_died": (502, "server_error", 500, "api_error", 502, None),
    "model_unloaded": (502, "server_error", 500, "api_error", 502, None),
    "upstream_truncated": (502, "server_error", 500, "api_error", 502, None),
    "upstream_error": (502, "server_error", 500, "api_error", 502, None),
    # Each of its instances has a status of its own.
    "upstream_refused": (500, "server_error", 500, "api_error", 500, None),
    "upstream_timeout": (504, "server_error", 504, "timeout_error", 504, False),
    "internal_error": (500, "server_error", 500, "api_error", 500, None),
}


def classes() -> Iterator[type[RouterError]]:
    """
    @return: every error that a client can be told of.
    """
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, RouterError) and value is not RouterError:
            yield value


class RouterErrorTests(SynchronousTestCase):
    """
    L{RouterError} carries its answer.
    """

    def test_answers(self) -> None:
        """
        Every error has the status and the type that each dialect promises.
        """
        answers = {
            error.code: (*error.openai, *error.anthropic, error.ollama, error.should_retry)
            for error in classes()
        }
        self.assertEqual(answers, ANSWERS)

    def test_codes(self) -> None:
        """
        Every error has a code of its own, so that programs can tell them
        apart.
        """
        codes = [error.code for error in classes()]
        self.assertEqual(sorted(codes), sorted(set(codes)))

    def test_fields(self) -> None:
        """
        An error has a message, and may tell when to try again and in which
        headers.
        """
        error = errors.QueueFull("too many", retry_after=10.0, headers=(("X-Queue", "7"),))
        self.assertEqual(str(error), "too many")
        self.assertEqual(error.message, "too many")
        self.assertEqual(error.retry_after, 10.0)
        self.assertEqual(error.headers, (("X-Queue", "7"),))

    def test_defaults(self) -> None:
        """
        Without more, an error says nothing about trying again.
        """
        error = errors.InternalError("oops")
        self.assertIsNone(error.retry_after)
        self.assertIsNone(error.param)
        self.assertEqual(error.headers, ())

    def test_param(self) -> None:
        """
        What is wrong with the model names the field.
        """
        self.assertEqual(errors.UnknownModel.param, "model")
        self.assertEqual(errors.MissingModel.param, "model")

    def test_wrong_method(self) -> None:
        """
        A wrong method comes with the right ones.
        """
        self.assertEqual(WrongMethod("no", "GET, HEAD").headers, (("Allow", "GET, HEAD"),))

    def test_invalid_key(self) -> None:
        """
        A missing key comes with how it is to be sent.
        """
        self.assertEqual(InvalidKey("no").headers, (("WWW-Authenticate", "Bearer"),))

    def test_insufficient_memory(self) -> None:
        """
        What does not fit is told in GiB, with the cure.
        """
        error = InsufficientMemory("large", 90 * GIB, 60 * GIB + GIB // 2)
        self.assertEqual(
            error.message,
            "engine large needs 90.0 GiB (its 'memory:' setting), but only 60.5 GiB can be free; "
            "free memory outside the router, or lower the setting",
        )
        self.assertEqual(
            (error.engine, error.need, error.room), ("large", 90 * GIB, 60 * GIB + GIB // 2)
        )

    def test_insufficient_memory_with_detail(self) -> None:
        """
        Who holds the rest stands at the end.
        """
        error = InsufficientMemory("large", 2, 1, "the page cache holds 9.0 GiB")
        self.assertTrue(error.message.endswith("the setting (the page cache holds 9.0 GiB)"))
