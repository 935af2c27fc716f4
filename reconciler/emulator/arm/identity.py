"""Tokens: who gives them (the managed-identity endpoint, in both its protocols) and whether one is good. Sections 5.2 and 1.6.

A token is a JWT without a real signature, good for this Azure alone, until `expire`. It is no secret of anybody's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any

from reconciler.emulator.arm.messages import Answer, ArmError, Request
from reconciler.emulator.arm.model import Cloud, Principal
from reconciler.emulator.machine import NAMESPACE

MANAGER = "https://management.azure.com"
AUDIENCES = (MANAGER, "https://management.core.windows.net", "https://management.core.usgovcloudapi.net", "https://management.chinacloudapi.cn")
IMDS = "/metadata/identity/oauth2/token"
APP_SERVICE = "/msi/token"
LIFE = 24 * 3600  # seconds: a managed identity's token is good for a day [doc]
DEFAULT = "edge"


def object_id(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"principal/{name}"))


def mint(cloud: Cloud, principal: str = DEFAULT, audience: str = MANAGER, issued: float = 0) -> str:
    """A token of a principal; one that is not there yet is made, and may do everything."""
    held = cloud.principals.setdefault(principal, Principal(object_id(principal)))
    claims: dict[str, Any] = {
        "aud": audience.rstrip("/"),
        "iss": f"https://sts.windows.net/{cloud.tenant}/",
        "tid": cloud.tenant,
        "oid": held.object_id,
        "sub": held.object_id,
    }
    claims |= {"iat": int(issued), "exp": int(issued) + LIFE, "name": principal, "generation": cloud.generation}
    head = _part({"typ": "JWT", "alg": "HS256"}) + "." + _part(claims)
    return f"{head}.{_signature(cloud, head)}"


def expire(cloud: Cloud) -> None:
    """All tokens given until now are expired."""
    cloud.generation += 1


def caller(cloud: Cloud, request: Request) -> str:
    """Whose token it is. Raises the 401s of 1.6 [doc; texts and header: assume]."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _refused(cloud, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", request)
    claims = _claims(cloud, token)
    if claims is None:
        raise _refused(cloud, "InvalidAuthenticationToken", "The access token is invalid.", request)
    if claims["aud"] not in (*AUDIENCES, request.base):
        raise _refused(
            cloud, "InvalidAuthenticationTokenAudience", f"The access token has been obtained for wrong audience or resource '{claims['aud']}'.", request
        )
    if claims["generation"] != cloud.generation:
        raise _refused(cloud, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.", request)
    return str(claims["name"])


def token(cloud: Cloud, request: Request, wall: float, header: str = "") -> Answer | None:
    """The managed-identity endpoint: IMDS wants `Metadata: true`, App Service its own header's value. None: some other address."""
    path = request.path.lower()
    if path not in (IMDS, APP_SERVICE):
        return None
    meant = request.headers.get("metadata") == "true" if path == IMDS else request.headers.get("x-identity-header") == header
    if not meant:
        return Answer(400 if path == IMDS else 401, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
    asked = request.parameters
    if "resource" not in asked:
        return Answer(400, {"error": "invalid_request", "error_description": "Required query variable 'resource' is missing"})
    name = asked.get("client_id") or asked.get("clientid") or asked.get("object_id") or DEFAULT
    access = mint(cloud, name, asked["resource"], wall)
    body: dict[str, Any] = {"access_token": access, "resource": asked["resource"], "token_type": "Bearer", "client_id": object_id(f"client/{name}")}
    body |= {"expires_on": str(int(wall) + LIFE)}
    if path == IMDS:
        body |= {"expires_in": str(LIFE), "ext_expires_in": str(LIFE), "not_before": str(int(wall) - 300)}
    return Answer(200, body)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _signature(cloud: Cloud, head: str) -> str:
    return base64.urlsafe_b64encode(hmac.new(cloud.tenant.encode(), head.encode(), hashlib.sha256).digest()).decode().rstrip("=")


def _claims(cloud: Cloud, token: str) -> dict[str, Any] | None:
    head, _, signature = token.rpartition(".")
    if head.count(".") != 1 or not hmac.compare_digest(signature, _signature(cloud, head)):
        return None
    said = head.partition(".")[2]
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    return value


def _refused(cloud: Cloud, code: str, said: str, request: Request) -> ArmError:
    where = f'Bearer authorization_uri="https://login.windows.net/{cloud.tenant}", error="invalid_token", error_description="{said}"'
    return ArmError(401, code, said, headers=(("WWW-Authenticate", where),))
