# -*- test-case-name: ler.test.test_routes -*-
"""
From a request that names a model, whatever its path, to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ler.engines.catalog import Catalog, Entry
from ler.errors import ControlPath, MissingModel, UnknownPath, WrongMethod
from ler.interfaces import Residency
from ler.web.asking import Asking, Inquiry
from ler.web.body import JSONBody
from ler.web.dialects import OLLAMA
from ler.web.endpoints import Endpoint, Routed, answer
from ler.web.loading import Loading
from ler.web.model_paths import POSTED, canonical
from ler.web.operations import OPERATIONS
from ler.web.paths import normal_path, split_target
from ler.web.wishes import Wishes

COUNT_TOKENS = "/v1/messages/count_tokens"

CHARACTERS_PER_TOKEN = 4

QUERIED = frozenset({"/props", "/slots", "/lora-adapters"})
"""What is read from an engine with GET, for the model that the query names."""


class ModelRoutes(Routed):
    """
    Sends requests to the owners of their models.
    """

    isLeaf = True

    def __init__(
        self,
        catalog: Catalog,
        asking: Asking,
        loading: Loading,
        *,
        wishes: Wishes,
        permit: Callable[[Entry], None],
        stand_in: Callable[[Entry], Entry | None],
        control_paths: Collection[str],
        is_resident: Callable[[Residency], bool],
        max_json_depth: int,
    ) -> None:
        """
        @param loading: answers those who only want a model loaded.
        @param wishes: know how requests would like to be treated.
        @param permit: raises a L{RouterError} for a model that may not be used.
        @param stand_in: finds the model that is in memory in place of one.
        @param control_paths: paths that change what an engine holds, whatever
            stands before them: some engines look at the end of a path only.
        @param is_resident: whether a model can be asked without a swap.
        """
        super().__init__()
        self._catalog = catalog
        self._asking = asking
        self._loading = loading
        self._wishes = wishes
        self._permit = permit
        self._stand_in = stand_in
        self._control_paths = tuple(map(str.lower, control_paths))
        self._is_resident = is_resident
        self._max_json_depth = max_json_depth

    def route(self, request: Any) -> None:
        """
        @see: L{Routed.route}
        """
        path, query = split_target(request.uri)
        normal, named = canonical(normal_path(path))
        if request.method == b"GET" and normal in QUERIED:
            self._by_query(request, normal, query)
        else:
            self._by_body(request, normal, query, named)

    def _by_query(self, request: Any, path: str, query: bytes) -> None:
        asked = parse_qsl(query[1:].decode("ascii"), keep_blank_values=True)
        names = [value for key, value in asked if key == "model"]
        if len(names) != 1 or not names[0]:
            raise MissingModel(f"name the model in the query: {path}?model=ID")
        entry = self._resolve(path, names[0])
        wish = self._wishes.of(request, names[0])
        if entry.upstream_name != names[0]:
            there = {"model": entry.upstream_name}
            query = b"?" + urlencode([(k, there.get(k, v)) for k, v in asked]).encode()
        self._asking.pass_on(Inquiry(request, entry, names[0], path, query, wish), [])

    def _by_body(self, request: Any, path: str, query: bytes, named: str | None) -> None:
        self._check(request, path)
        form = request.form
        if form is not None:
            entry = self._resolve(path, form.model)
            wish = self._wishes.of(request, form.model)
            inquiry = Inquiry(request, entry, form.model, path, query, wish)
            self._asking.pass_on(inquiry, form.rewritten(entry.upstream_name))
            return
        body = JSONBody(request.content, self._max_json_depth, named)
        entry = self._resolve(path, body.model)
        wish = self._wishes.of(request, body.model)
        inquiry = Inquiry(request, entry, body.model, path, query, wish)
        operation = OPERATIONS.get(path)
        if path == COUNT_TOKENS and not self._can_count(inquiry):
            estimate(request)
        elif operation is None:
            self._asking.pass_on(inquiry, body.rewritten(entry.upstream_name))
        elif operation.dialect is OLLAMA and self._loading.concerns(path, body.document):
            Endpoint({"POST": lambda _: self._loading.serve(inquiry, body.document)}).render(
                request
            )
        else:
            self._asking.operate(inquiry, operation, body)

    def _resolve(self, path: str, name: str) -> Entry:
        # Ollama's clients spell names as it lets them.
        entry = self._catalog.resolve(name, as_ollama=path.startswith("/api/"))
        if self._wishes.instead_of_swap(name) == "resident":
            entry = self._stand_in(entry) or entry
        self._permit(entry)
        return entry

    def _check(self, request: Any, path: str) -> None:
        if request.method != b"POST":
            if path in OPERATIONS or path in POSTED:
                raise WrongMethod(f"{path} takes POST", "POST")
            raise UnknownPath(f"there is nothing at {path}")
        if path.lower().endswith(self._control_paths):
            raise ControlPath(
                f"{path} changes what an engine holds, which is for the router to decide; "
                "use POST /admin/swap or /admin/unload"
            )

    def _can_count(self, inquiry: Inquiry) -> bool:
        entry = inquiry.entry
        return self._asking.counts_tokens(entry.engine) and self._is_resident(entry.residency)


def estimate(request: Any) -> None:
    """
    Count tokens by the length of the body: good enough for a client that wants
    to know whether a conversation still fits, and no reason to start an engine.
    """
    request.content.seek(0, 2)
    size = request.content.tell()
    answer(request, {"input_tokens": max(1, size // CHARACTERS_PER_TOKEN)})
