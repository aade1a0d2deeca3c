"""The API's description: an OpenAPI 3.1 document that says every answer there is."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from facefeat.serve.limits import Limits

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}

# What may come of any address, and why.
_ANYWHERE = {
    "401": "The token is missing or wrong.",
    "403": "Another site's page asked.",
    "405": "The address does not take this method.",
    "421": "The request was sent to a name that is not this server's.",
    "503": "Too many wait, it took too long, or the server is about to end; Retry-After says when to try again.",
}


def document(limits: Limits) -> Schema:
    """Describe the API.

    Parameters
    ----------
    limits : Limits

    Returns
    -------
    dict
        OpenAPI 3.1.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "facefeat",
            "version": version("facefeat"),
            "description": "Who is in a photograph, by one model. Photographs stay in memory; only people who are "
            "added change the model's file.",
        },
        "paths": {**_predicting(limits), **_people(), **_staging(limits), **_server()},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _predicting(limits: Limits) -> Schema:
    top = {"name": "top", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 3}}
    answer = _operation("predict", "Name every face of a photograph.", _json("Prediction"), _OF_PICTURES)
    return {"/api/predict": {"post": {**answer, "parameters": [top], "requestBody": _picture(limits)}}}


def _people() -> Schema:
    name = _parameter("name", {"type": "string", "minLength": 1})
    number = _parameter("number", {"type": "integer", "minimum": 0})
    missing = {"404": "Nobody of that name."}
    changing = {
        "400": "Malformed.",
        "409": "Another run changes the model.",
        "422": "It cannot be done.",
        "507": "No space.",
    }
    body = {"required": True, "content": {"application/json": {"schema": _ref("Choice")}}}
    add = _operation(
        "add",
        "Add pictures, kept by POST /api/pictures, to somebody, or somebody new.",
        _json("Added"),
        {
            **changing,
            "404": "A picture is not kept (any longer).",
            "408": "Slow.",
            "413": "Too large.",
            "415": "No JSON.",
        },
    )
    face = {"description": "The face in grey.", "content": {"image/png": {}}}
    return {
        "/api/people": {"get": _operation("people", "Whom the model knows.", _json("People"))},
        "/api/people/{name}": {
            "parameters": [name],
            "post": {**add, "requestBody": body},
            "delete": _operation("forget", "Forget somebody.", _json("Forgotten"), {**missing, **changing}),
        },
        "/api/people/{name}/pictures/{number}": {
            "parameters": [name, number],
            "get": _operation("face", "A face that the model was fitted on.", face, missing),
        },
    }


def _staging(limits: Limits) -> Schema:
    keep = _operation(
        "keep", "Keep a picture in memory for a while, to be added to somebody.", _json("Kept"), _OF_PICTURES
    )
    keep["responses"]["201"] = keep["responses"].pop("200")
    drop = _operation("drop", "Forget a picture that is kept; nothing happens if it is not.", {"description": "Done."})
    drop["responses"]["204"] = drop["responses"].pop("200")
    picture = _parameter("picture", {"type": "string", "minLength": 1})
    return {
        "/api/pictures": {"post": {**keep, "requestBody": _picture(limits)}},
        "/api/pictures/{picture}": {"parameters": [picture], "delete": drop},
    }


def _server() -> Schema:
    described = {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}}
    health = _operation("health", "Whether the server takes pictures; needs no token.", _json("Health"))
    health["responses"]["503"] = _json("Health")
    return {
        "/api/model": {"get": _operation("model", "The model and the server.", _json("Model"))},
        "/healthz": {"get": health},
        "/openapi.json": {"get": _operation("description", "This document.", described)},
    }


_OF_PICTURES = {
    "400": "Malformed.",
    "408": "The body did not arrive in time.",
    "413": "Too many bytes.",
    "415": "Said to be no picture.",
    "422": "No picture that is read; the code says why.",
}


def _operation(name: str, summary: str, good: Schema, wrong: dict[str, str] | None = None) -> Schema:
    refusals = {status: _json("Problem", why) for status, why in {**_ANYWHERE, **(wrong or {})}.items()}
    return {"operationId": name, "summary": summary, "responses": {"200": good, **refusals}}


def _picture(limits: Limits) -> Schema:
    said = f"The bytes of one picture, at most {limits.picture_bytes:,}."
    return {"required": True, "description": said, "content": {"image/*": {}, "application/octet-stream": {}}}


def _parameter(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _json(schema: str, description: str = "Done.") -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(optional: tuple[str, ...] = (), **fields: Schema) -> Schema:
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _schema(name: str) -> Schema:
    return {"const": f"facefeat/serve-{name}/1"}


def _schemas() -> dict[str, Schema]:
    return {**_of_faces(), **_of_people(), **_of_the_server()}


def _of_faces() -> dict[str, Schema]:
    candidate = _object(name=_TEXT, score=_or_null(_NUMBER))
    return {
        "Prediction": _object(schema=_schema("predict"), width=_COUNT, height=_COUNT, faces=_list(_ref("Face"))),
        "Face": _object(
            box=_list(_NUMBER, minItems=4, maxItems=4, description="left, top, right, bottom; pixels"),
            found={**_FLAG, "description": "false: the whole picture, since no face was found or looked for"},
            name=_or_null({**_TEXT, "description": "null: unknown"}),
            best=_TEXT,
            score=_or_null(_NUMBER),
            probability=_or_null(_NUMBER),
            margin=_or_null(_NUMBER),
            runner_up=_or_null(candidate),
            threshold=_NUMBER,
            over_threshold=_or_null(_NUMBER),
            candidates=_list(candidate),
            nearest=_list(_object(path=_TEXT, name=_TEXT, similarity=_NUMBER, address=_or_null(_TEXT))),
        ),
    }


def _of_people() -> dict[str, Schema]:
    person = _object(name=_TEXT, pictures=_COUNT, address=_or_null(_TEXT))
    refused = _object(picture={"type": "integer", "minimum": 1}, code=_TEXT, message=_TEXT)
    return {
        "People": _object(schema=_schema("people"), threshold=_NUMBER, people=_list(person)),
        "Choice": _object(("force",), pictures=_list(_TEXT, minItems=1, uniqueItems=True), force=_FLAG),
        "Kept": _object(schema=_schema("picture"), picture=_TEXT, faces=_COUNT),
        "Added": _object(
            schema=_schema("add"),
            name={**_TEXT, "description": "as the model has it"},
            is_new=_FLAG,
            taken={**_COUNT, "description": "without any, the model is as it was"},
            refused=_list(refused),
            people=_COUNT,
            threshold=_NUMBER,
        ),
        "Forgotten": _object(
            schema=_schema("forget"),
            name=_TEXT,
            pictures=_COUNT,
            people=_COUNT,
            threshold=_NUMBER,
            not_looked_at=_list(_TEXT),
        ),
    }


def _of_the_server() -> dict[str, Schema]:
    return {
        "Model": _object(
            schema=_schema("model"),
            file=_TEXT,
            sha256=_TEXT,
            problem=_or_null({**_TEXT, "description": "why the file as it is now is not the model that answers"}),
            head=_TEXT,
            layer=_TEXT,
            people=_COUNT,
            pictures=_COUNT,
            threshold={"type": "object"},
            recipe={"type": "object"},
            finds_faces=_FLAG,
            ran_on=_TEXT,
            report=_FLAG,
            picture_bytes=_COUNT,
            facefeat=_TEXT,
        ),
        "Health": _object(status={"enum": ["ok", "stopping"]}),
        "Problem": _object(code=_TEXT, message=_TEXT),
    }
