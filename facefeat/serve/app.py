"""The addresses of the page and the API, and what each does."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from facefeat.errors import FacefeatError
from facefeat.serve import answers, bodies, openapi, problems
from facefeat.serve.current import Current, Model
from facefeat.serve.gate import Gate
from facefeat.serve.guard import Door, Guard, cookie, token_in_address
from facefeat.serve.limits import Limits
from facefeat.serve.pipeline import Answer, Pipeline
from facefeat.serve.problems import Problem
from facefeat.serve.staging import Staging

MOST_CANDIDATES = 1000
LOOK_SECONDS = 1.0  # between two looks at the model's file

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"


@dataclass(frozen=True)
class Seen:
    """A picture that was sent, and the model that looked at it."""

    model: Model
    data: bytes
    answer: Answer


class Site:
    """What the addresses share.

    Parameters
    ----------
    current : Current
    pipeline : Pipeline
    limits : Limits
    door : Door
    report : bytes or None
        A page made by ``facefeat compare --html``.
    """

    def __init__(
        self, current: Current, pipeline: Pipeline, limits: Limits, door: Door, report: bytes | None = None
    ) -> None:
        self.current, self.pipeline, self.limits, self.door, self.report = current, pipeline, limits, door, report
        self.gate, self.staging, self.changing = Gate(limits), Staging(limits), asyncio.Lock()
        folder = files("facefeat.serve") / "page"
        self.page = {file.name: file.read_bytes() for file in folder.iterdir() if Path(file.name).suffix in _TYPES}

    @property
    def model(self) -> Model:
        """The model that answers now."""
        return self.current.model

    async def seen(self, request: Request, top: int) -> Seen:
        """Read the picture in a request and say who is in it.

        Raises
        ------
        Problem, FacefeatError
        """
        ticket = self.gate.enter()
        try:
            data = await bodies.picture(request, self.limits, ticket.take)
            if not data:
                raise Problem(422, "empty", "There are no bytes.")
            model = self.model
            future = self.pipeline.submit(model.recogniser, data, top)
        except BaseException:
            ticket.leave()
            raise
        future.add_done_callback(ticket.leave)  # it costs memory until a thread is done with it, however late
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(future), self.limits.picture_seconds)
            return Seen(model, data, answer)
        except TimeoutError:
            said = f"The picture was not looked at within {self.limits.picture_seconds:g} s; try again."
            raise Problem(503, "late", said, {"Retry-After": "5"}) from None

    async def watch(self) -> None:
        """Take up the model's file whenever it changes, without end."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.current.refresh)


def app_of(site: Site) -> Guard:
    """Put everything together: addresses, refusals as JSON, and the guard around it."""

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(site.watch())
        yield
        watching.cancel()

    api: list[tuple[str, str, Callable[..., Any]]] = [
        ("POST", "/api/predict", _predict),
        ("GET", "/api/model", _model),
        ("GET", "/api/people", _people),
        ("POST", "/api/people/{name}", _add),
        ("DELETE", "/api/people/{name}", _forget),
        ("GET", "/api/people/{name}/pictures/{number:int}", _training_picture),
        ("POST", "/api/pictures", _stage),
        ("DELETE", "/api/pictures/{picture}", _unstage),
        ("GET", "/healthz", _health),
        ("GET", "/openapi.json", _description),
        ("GET", "/report", _report),
        ("GET", "/", _page),
        ("GET", "/{file}", _file),
    ]
    routes = [Route(path, endpoint, methods=[method]) for method, path, endpoint in api]
    handlers: dict[Any, Any] = {HTTPException: _http, FacefeatError: _known, Problem: _refused}
    app = Starlette(routes=routes, lifespan=life, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.site = site
    guard = Guard(app, site.door, site.page["sign-in.html"])
    app.state.guard = guard
    return guard


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


async def _predict(request: Request) -> Response:
    site = _site(request)
    seen = await site.seen(request, _top(request))
    return JSONResponse(answers.prediction(seen.answer, seen.model))


def _top(request: Request) -> int:
    given = request.query_params.get("top", "3")
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and 1 <= int(given) <= MOST_CANDIDATES):
        raise Problem(400, "bad_request", f"top is a number from 1 to {MOST_CANDIDATES}, but {given[:20]!r} came.")
    return int(given)


async def _model(request: Request) -> Response:
    site = _site(request)
    has_report, most = site.report is not None, site.limits.picture_bytes
    found = answers.model_document(site.model, site.current.path, site.current.problem, report=has_report, most=most)
    return JSONResponse(found)


async def _people(request: Request) -> Response:
    return JSONResponse(answers.people(_site(request).model))


async def _stage(request: Request) -> Response:
    site = _site(request)
    seen = await site.seen(request, 1)
    name = site.staging.put(seen.data)
    faces = sum(face.found for face, _ in seen.answer.faces)
    return JSONResponse({"schema": "facefeat/serve-picture/1", "picture": name, "faces": faces}, 201)


async def _unstage(request: Request) -> Response:
    _site(request).staging.drop([request.path_params["picture"]])
    return Response(status_code=204)


async def _add(request: Request) -> Response:
    from facefeat.serve import members

    site, name = _site(request), request.path_params["name"]
    wanted = await bodies.document(request, site.limits)
    chosen, force = _chosen(wanted)
    pictures = site.staging.get(chosen)
    async with site.changing:
        found = await asyncio.to_thread(members.add, site.current, name, pictures, force)
    if found["taken"]:  # else they are there to be taken all the same
        site.staging.drop(chosen)
    return JSONResponse(found)


def _chosen(wanted: Any) -> tuple[list[str], bool]:
    """Read which pictures are to be added."""
    chosen = wanted.get("pictures") if isinstance(wanted, dict) else None
    force = wanted.get("force", False) if isinstance(wanted, dict) else None
    if (
        not isinstance(chosen, list)
        or not chosen
        or not all(isinstance(one, str) for one in chosen)
        or len(set(chosen)) != len(chosen)
        or not isinstance(force, bool)
        or not {"pictures", "force"} >= set(wanted)
    ):
        said = 'A document such as {"pictures": ["..."]} is expected, with the names that POST /api/pictures gave.'
        raise Problem(400, "bad_request", said)
    return chosen, force


async def _forget(request: Request) -> Response:
    from facefeat.serve import members

    site, name = _site(request), _known_name(request)
    async with site.changing:
        return JSONResponse(await asyncio.to_thread(members.forget, site.current, name))


def _known_name(request: Request) -> str:
    name: str = request.path_params["name"]
    if name not in _site(request).model.bundle.people:
        raise Problem(404, "not_found", "The model knows nobody of that name.")
    return name


async def _training_picture(request: Request) -> Response:
    model, name, number = _site(request).model, _known_name(request), request.path_params["number"]
    rows, pixels = model.pictures[name], model.bundle.gallery.pixels
    if not len(pixels):
        raise Problem(404, "not_found", "This model keeps no faces.")
    if number >= len(rows):
        raise Problem(404, "not_found", f"Of that person there are the pictures 0 to {len(rows) - 1}.")
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[rows[number]]).save(buffer, "PNG")
    return Response(buffer.getvalue(), media_type="image/png")


async def _health(request: Request) -> Response:
    if request.app.state.guard.stopping:
        return JSONResponse({"status": "stopping"}, 503)
    return JSONResponse({"status": "ok"})


async def _description(request: Request) -> Response:
    return JSONResponse(openapi.document(_site(request).limits))


async def _report(request: Request) -> Response:
    page = _site(request).report
    if page is None:
        raise Problem(404, "not_found", "There is no report; start with --report FILE.html to have one here.")
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": _REPORT_POLICY})


async def _page(request: Request) -> Response:
    site = _site(request)
    page = Response(site.page["index.html"], media_type="text/html")
    if site.door.token is not None and token_in_address(request.scope) is not None:
        page.headers["Set-Cookie"] = cookie(site.door.token, request.url.scheme == "https")
    return page


async def _file(request: Request) -> Response:
    name, page = request.path_params["file"], _site(request).page
    if name not in page:
        raise HTTPException(404)
    return Response(page[name], media_type=_TYPES[Path(name).suffix])


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        allowed = (error.headers or {}) if isinstance(error, HTTPException) else {}
        return Problem(405, "method", f"This address does not take {request.method[:20]}.", allowed).response()
    return Problem(404, "not_found", "There is nothing here; /openapi.json lists what there is.").response()


async def _refused(request: Request, error: Exception) -> Response:
    return (error if isinstance(error, Problem) else problems.bug()).response()


async def _known(request: Request, error: Exception) -> Response:
    return (problems.of(error) if isinstance(error, FacefeatError) else problems.bug()).response()
