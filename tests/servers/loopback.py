"""A small aiohttp server in a thread of its own, with a log of what it was asked and a say in how it answers."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Log:
    """What happened, in order. `flights` are (time, requests under way) at each start and end."""

    flights: list = field(default_factory=list)
    answers: list = field(default_factory=list)  # (time, behaviour, text or "")
    faults: list = field(default_factory=list)  # what the client did against the protocol
    flying: int = 0

    def start(self):
        self.flying += 1
        self.flights.append((time.monotonic(), self.flying))

    def end(self):
        self.flying -= 1
        self.flights.append((time.monotonic(), self.flying))

    @property
    def most_at_once(self):
        return max((count for _, count in self.flights), default=0)

    def count(self, behaviour):
        return sum(1 for _, given, _ in self.answers if given == behaviour)

    def times(self, behaviour):
        return [at for at, given, _ in self.answers if given == behaviour]


class LoopbackServer:
    """Answers on 127.0.0.1 while the `with` block runs.

    `behave(text, nth)` says how the nth request for a text is answered; `refuse(number, flying)` how the connection
    with that number is, before its text is known (None: no objection). `latency` is how long good work takes, in s.
    """

    path = "/"

    def __init__(self, behave=None, refuse=None, latency=0.0, retry_after=None):
        self.behave = behave or (lambda _text, _nth: "ok")
        self.refuse = refuse or (lambda _number, _flying: None)
        self.latency = latency
        self.retry_after = retry_after
        self.log = Log()
        self.asked = Counter()
        self.connections = 0
        self.port = 0
        self._landed, self._requests = set(), []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self):
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", self.path, self._counted)
        runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _counted(self, request):
        self.connections += 1
        number = self.connections
        self.log.start()
        try:
            objection = self.refuse(number, self.log.flying)
            if objection:
                self.note(objection, "")
                return self.refusal(int(objection))
            return await self.answer(request)
        finally:
            self.landed(request)

    def landed(self, request):
        """The request is answered, though its connection may take a moment to close."""
        if id(request) not in self._landed:
            self._landed.add(id(request))
            self._requests.append(request)  # keeps its id from being used again
            self.log.end()

    def refusal(self, status):
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}
        return web.Response(status=status, headers=headers, text="no")

    def how(self, text):
        self.asked[text] += 1
        behaviour = self.behave(text, self.asked[text])
        self.note(behaviour, text)
        return behaviour

    def note(self, behaviour, text):
        self.log.answers.append((time.monotonic(), behaviour, text))

    async def answer(self, request):
        raise NotImplementedError
