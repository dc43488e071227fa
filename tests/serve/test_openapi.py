"""The OpenAPI description is what the server does, whatever is sent to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from edge_rerank.serve.gate import Gate
from edge_rerank.serve.http_app import METHODS, HttpApp
from edge_rerank.serve.openapi import describe
from edge_rerank.serve.service import Service

EXAMPLES = 200
TOKEN = "the-token"
HEADERS = {"host": "127.0.0.1:80", "authorization": f"Bearer {TOKEN}"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def app(service: Service) -> Iterator[HttpApp]:
    opened = HttpApp(service, Gate(TOKEN, 80))
    yield opened
    opened.close()


def test_every_request_gets_an_answer_of_the_description(app: HttpApp) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)
    modes = [
        operation.ok().as_strategy(generation_mode=mode)
        for operation in schema.get_all_operations()
        for mode in schemathesis.GenerationMode
    ]
    statuses = set()

    @given(case=st.one_of(modes))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        response = case.call(headers=HEADERS)
        statuses.add(response.status_code)
        # That a guest has gone is told before the rest is looked at; this check takes no 410.
        gone = [] if response.status_code == 410 else [negative_data_rejection]
        case.validate_response(response, checks=[*CHECKS, *gone])

    ask()
    assert {200, 422} <= statuses


def test_every_route_is_described(app: HttpApp) -> None:
    described = {
        (path.replace("{id}", "{guest}"), verb.upper())
        for path, verbs in describe(page=False)["paths"].items()
        for verb in verbs
    }
    routes = app._app.routes  # type: ignore[attr-defined]
    there = {(route.path, verb) for route in routes for verb in route.methods - {"HEAD"}}
    assert described == there
    assert {(f"/{method}", "POST") for method in METHODS} <= described
