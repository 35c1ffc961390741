"""One request and its whole answer, in bounds of time and size; failures as the classes that policy hangs on."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

from stages.contract import Failure
from stages.service.persist import IncompleteError, RefusedError

if TYPE_CHECKING:
    from aiohttp import TraceConfig

LARGEST_PICTURE = 64 * 1024 * 1024
LARGEST_ANSWER = LARGEST_PICTURE * 3 // 2  # a picture in base64, and what is said about it
_CHUNK = 1 << 16
_REDIRECTS = 3
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Attributes:
        url: where to.
        body: sent as JSON by POST; None asks by GET.
        headers: with the key, if any.
        timeout_s: for the whole answer.
        largest: bytes of the answer at most.
        sent: called when the request has gone out; the connection may have taken a while.
    """

    url: str
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    largest: int = LARGEST_ANSWER
    sent: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` are by their names in lower case."""

    status: int
    data: bytes
    headers: Mapping[str, str]

    def json_object(self) -> dict[str, Any]:
        """What it says, where a JSON object is meant.

        Raises:
            IncompleteError: when it is none.
        """
        try:
            said = json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise IncompleteError("the answer is no JSON") from error
        if not isinstance(said, dict):
            raise IncompleteError("the answer is no JSON object")
        return said


def exchange(ask: Ask) -> Answer:
    """Ask once; redirects are not followed, so that a key goes nowhere else.

    Raises:
        RefusedError: when there is no whole answer in time.
    """
    return asyncio.run(_exchange(ask))


async def _exchange(ask: Ask) -> Answer:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=ask.timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True, trace_configs=_traces(ask)) as session,
            session.request(
                "GET" if ask.body is None else "POST",
                ask.url, json=ask.body, headers=dict(ask.headers), allow_redirects=False,
            ) as answer,
        ):  # fmt: skip
            data = await _read(answer.content.iter_chunked(_CHUNK), ask.largest)
    except TimeoutError as error:
        raise RefusedError(Failure.TIMEOUT, f"no answer within {round(ask.timeout_s, 2):g} s") from error
    except aiohttp.ClientPayloadError as error:
        raise IncompleteError("the connection was closed in the middle") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise RefusedError(Failure.NETWORK, f"the connection failed ({type(error).__name__})") from error
    return Answer(answer.status, data, {name.lower(): value for name, value in answer.headers.items()})


def _traces(ask: Ask) -> list[TraceConfig]:
    import aiohttp

    async def went_out(*_: object) -> None:
        if ask.sent:
            ask.sent()

    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(went_out)
    return [trace]


async def _read(chunks: object, largest: int) -> bytes:
    data = bytearray()
    async for chunk in chunks:  # type: ignore[attr-defined]
        data += chunk
        if len(data) > largest:
            raise RefusedError(Failure.NETWORK, f"the answer is larger than {largest // 1024 // 1024} MB")
    return bytes(data)


def download(url: str, service: str, timeout_s: float) -> bytes:
    """The file behind an address that a service told us. No key goes there.

    Raises:
        RefusedError: when the address may not be used, or there is no whole file in time.
    """
    for _ in range(_REDIRECTS + 1):
        if not may_download(url, service):
            raise RefusedError(Failure.NETWORK, "the service names an address of its picture that is not https")
        answer = exchange(Ask(url, timeout_s=timeout_s, largest=LARGEST_PICTURE))
        if answer.status == 200:
            return answer.data
        if answer.status not in _MOVED or "location" not in answer.headers:
            raise RefusedError(Failure.NETWORK, f"the address of the picture answers {answer.status}")
        url = urljoin(url, answer.headers["location"])
    raise RefusedError(Failure.NETWORK, "the address of the picture leads from one to the next without end")


def may_download(url: str, service: str) -> bool:
    """Https, or plain http on this machine when the service itself is here."""
    there = _split(url)
    if there is None or not there.hostname or there.username or there.password:
        return False
    here = _split(service)
    local = is_loopback(there.hostname) and here is not None and is_loopback(here.hostname or "")
    return there.scheme == "https" or (there.scheme == "http" and local)


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def same_service(url: str, service: str) -> bool:
    """Whether an address belongs to a service, so that its key may go there: its host, or one beside or below it.

    `api.eu1.bfl.ai` belongs to `api.bfl.ai`: both are of `bfl.ai`.
    """
    there, here = _split(url), _split(service)
    if there is None or here is None or there.scheme != here.scheme or there.username or there.password:
        return False
    if (there.port or 443) != (here.port or 443) or not there.hostname or not here.hostname:
        return False
    domain = domain_of(here.hostname)
    return there.hostname == here.hostname or (domain != "" and there.hostname.endswith(f".{domain}"))


_PUBLIC = frozenset(
    {"co", "com", "net", "org", "gov", "edu", "ac", "or", "ne", "go", "gob", "nom"}
)  # `.co.uk` is nobody's
_COUNTRY = 2


def domain_of(host: str) -> str:
    """What one owner has of a name: `bfl.ai` of `api.bfl.ai`; "" for an address, or where that is not plain."""
    labels = host.split(".")
    if "" in labels or ":" in host or labels[-1].isdigit() or len(labels) < 2:
        return ""
    shared = len(labels[-1]) == _COUNTRY and labels[-2] in _PUBLIC
    keep = 3 if shared else 2
    return ".".join(labels[-keep:]) if len(labels) >= keep else ""


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - says whether it is a number
    except ValueError:
        return None
    return parts
