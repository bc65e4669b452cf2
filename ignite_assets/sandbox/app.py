"""The ASGI app: a route for each row of the endpoint table, and the opt-outs.

Each request is read and checked as the vendor's page says, struck by the faults in force, noted in the journal and
answered from the world. Errors are JSON, `{"error": …}`, and never repeat what was sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ignite_assets.api.endpoints import Endpoint
from ignite_assets.sandbox.answers import Answers, Question
from ignite_assets.sandbox.clock import Clock
from ignite_assets.sandbox.damage import damaged
from ignite_assets.sandbox.faults import Fault, Faults, SandboxCall
from ignite_assets.sandbox.journal import Journal
from ignite_assets.sandbox.journal import Request as Noted
from ignite_assets.sandbox.reading import Refusal, read_algo, read_date, read_emails, read_id
from ignite_assets.sandbox.websites import SandboxWebsite, distinct
from ignite_assets.sandbox.world import UnknownIdError, World

OPT_OUTS = "opt_outs"
"""The name of `POST /opt_outs/new` in faults and journal."""

_logger = logging.getLogger(__name__)
_Reply = Callable[[Request, SandboxWebsite | None, Fault | None], Awaitable[Response]]
"""Answers a request of a website; with a fault, for another id or by a regression."""


class SandboxPlatform:
    """What is done with a request: faults strike it, it is answered, and everything is noted.

    `now` answers the moment (aware) that the world is at.
    """

    def __init__(
        self,
        websites: Sequence[SandboxWebsite],
        endpoints: tuple[Endpoint, ...],
        world: World,
        faults: Faults,
        journal: Journal,
        now: Clock,
    ) -> None:
        self._by_token = {website.token: website for website in distinct(websites)}
        self._world, self._answers, self._now = world, Answers(world, endpoints), now
        self._faults, self._journal, self._endpoints = faults, journal, endpoints

    def app(self) -> Starlette:
        """The platform as an ASGI app."""
        routes = [self.route("GET", row.path, row.name, self.asking(row)) for row in self._endpoints]
        routes.append(self.route("POST", "/opt_outs/new", OPT_OUTS, self.opt_out))
        return Starlette(routes=routes, exception_handlers={HTTPException: _as_json})

    def route(self, method: str, path: str, name: str, reply: _Reply) -> Route:
        """The route whose requests `reply` answers."""

        async def handle(request: Request) -> Response:
            note, query = self._journal.begin(), request.query_params
            website = self._by_token.get(query.get("token", ""))
            call = SandboxCall(name, website.key if website else None, read_id(request.path_params.get("id")))
            response, status = await self._answer(call, lambda fault: reply(request, website, fault))
            note(Noted(method, *call, query.get("date"), query.get("algo"), status))
            return response

        return Route(path, handle, methods=[method])

    async def _answer(
        self, call: SandboxCall, reply: Callable[[Fault | None], Awaitable[Response]]
    ) -> tuple[Response, int | None]:
        delay, fault = self._faults.strike(call)
        await asyncio.sleep(delay)
        if fault is None:
            answer = await _polite(reply(None))
            return answer, answer.status_code
        response = damaged(fault, await _polite(reply(fault)) if fault.keeps_answer else Response())
        return response, None if fault.drip or fault.cut in {"reset", "close"} else response.status_code

    def asking(self, endpoint: Endpoint) -> _Reply:
        """What answers requests to one row of the table."""

        async def reply(request: Request, website: SandboxWebsite | None, fault: Fault | None) -> Response:
            if website is None or request.query_params.get("secret") != website.secret:
                raise Refusal(401, "token and secret are not those of a website")
            asked = self._question(endpoint, request, website)
            if fault and fault.regress:
                asked = replace(asked, regress=fault.regress)
            if fault and fault.mixed_up:
                asked = await run_in_threadpool(self._answers.mixed_up, endpoint, asked)
            return _json(await run_in_threadpool(self._answers.body, endpoint, asked))

        return reply

    def _question(self, endpoint: Endpoint, request: Request, website: SandboxWebsite) -> Question:
        query, identifier = request.query_params, read_id(request.path_params.get("id"))
        if endpoint.ids and identifier is None:
            raise UnknownIdError
        return Question(
            website=website,
            now=self._now(),
            id=identifier or 0,
            since=read_date(query.get("date")) if endpoint.dated else None,
            algo=read_algo(query.get("algo")) if endpoint.hashed else "md5",
        )

    async def opt_out(self, request: Request, website: SandboxWebsite | None, _: Fault | None) -> Response:
        """Take the addresses of an opt-out, from the query or from a form."""
        form = await request.form()
        site = website or self._by_token.get(str(form.get("token", "")))
        if site is None:
            raise Refusal(401, "token is not that of a website")
        sent = [*request.query_params.getlist("emails"), *map(str, form.getlist("emails"))]
        await run_in_threadpool(self._world.opt_outs.add, site.key, read_emails(sent))
        return _json(b"{}")


async def _polite(reply: Awaitable[Response]) -> Response:
    """The reply, or the JSON error that stands for it."""
    try:
        return await reply
    except Refusal as refusal:
        return _error(refusal.status, str(refusal))
    except UnknownIdError:
        return _error(404, "the website has nothing under that id")
    except HTTPException as error:
        return _error(error.status_code, "the request can't be read")
    except Exception:
        _logger.exception("the sandbox failed")
        return _error(500, "the sandbox failed; its log says why")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


async def _as_json(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _error(status, "there is nothing here" if status == 404 else "not a request of this platform")
