"""What the services that take JSON for a key share on the loopback: the key, the count of bodies, the usual faults."""

import asyncio

from aiohttp import web

from servers.loopback import LoopbackServer


def all_said(error):
    """The words of an error and of all that led to it, details too: where a key must not be."""
    chain = []
    while error is not None:
        chain.append(f"{error} {getattr(error, 'detail', '')}")
        error = error.__cause__ or error.__context__
    return " ".join(chain)


class JsonApi(LoopbackServer):
    """A subclass says what a body asks for (`text_of`) and how good work is answered (`good`).

    Faults of all of them: 400, 401, …: that status, with the key said again; `stall`, `close` where `good` uses
    `work` and `half`.
    """

    def __init__(self, *args, key="", **more):
        super().__init__(*args, **more)
        self.key = key
        self.bodies = []

    @property
    def root(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"{self.root}/v1"

    def given(self, request):
        """The key as it came."""
        return request.headers.get("Authorization", "")

    def wanted(self, request):
        """The key as it should come."""
        return f"Bearer {self.key}"

    def wrong_key(self, request):
        """The answer to a wrong key, which says it again as services do; None when it is right."""
        given = self.given(request)
        if self.key and given != self.wanted(request):
            return web.json_response({"error": {"message": f"Incorrect API key provided: {given}"}}, status=401)
        return None

    async def answer(self, request):
        if wrong := self.wrong_key(request):
            return wrong
        body = await request.json()
        self.bodies.append(body)
        if objection := self.objection(body):
            return objection
        how = self.how(self.text_of(body))
        if how.isdigit():
            refusal = self.refusal(int(how))
            refusal.text = f"refused, you said {self.given(request)}"
            return refusal
        return await self.good(request, body, how)

    def objection(self, body):
        """The answer to a body that is refused whatever it asks for, or None."""

    def text_of(self, body):
        raise NotImplementedError

    async def good(self, request, body, how):
        raise NotImplementedError

    async def work(self, how):
        """Take the time of good work, or for ever."""
        await asyncio.sleep(3600 if how == "stall" else self.latency)

    async def half(self, request, data):
        """Half of the answer, then the connection is closed."""
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        request.transport.abort()
        return response
