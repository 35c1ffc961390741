"""Picture services on the loopback, OpenAI's shape and Black Forest Labs', with their faults on request.

How a prompt can be answered (`behave(prompt, nth)`):
    ok          the picture, at the size that was asked for
    url         OpenAI's: the address of the picture instead of it
    redirect    the same, but the address leads on to another
    elsewhere   the address of the picture is on another host, without https; Black Forest Labs': so is the job's
    cut         the first half of the picture
    html        a page instead of a picture
    tiny, flat  a picture of 1×1; one all of one colour
    text        an answer that is no JSON
    empty       JSON without a picture
    close       half of the answer, then the connection is closed
    stall       nothing, for ever; Black Forest Labs': never ready
    moderated   it will not show that
    slow        the job is ready at the third look (Black Forest Labs')
    lost, error the job is not known any more; it failed (Black Forest Labs')
    busy        the first look at a job is answered 503, the second 429 (Black Forest Labs')
    400, 401, 402, 403, 404, 429, 500, 503
"""

import base64
import io
import time

from aiohttp import web

from servers.json_api import JsonApi

OPENAI = "/v1/images/generations"


def png(size, seed=0, colour=None):
    """A real picture: rows of chance colours, each brighter towards the right."""
    import numpy as np
    from PIL import Image

    width, height = size
    ramp = np.random.default_rng(seed).integers(20, 80, (height, 1, 3)) + np.linspace(0, 150, width)[None, :, None]
    image = Image.fromarray(ramp.astype("uint8")) if colour is None else Image.new("RGB", size, colour)
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=1)
    return file.getvalue()


class ImagesApi(JsonApi):
    """`orders` are the times at which requests for pictures arrived; `looks` those of looks at jobs."""

    path = "/{tail:.*}"

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.orders, self.looks = [], []
        self._jobs, self._files = {}, {}

    async def answer(self, request):
        if request.path.startswith("/files/"):
            return self._file(request)
        if request.path == "/v1/get_result":
            return self._look(request)
        self.orders.append(time.monotonic())
        return await super().answer(request)

    def given(self, request):
        return super().given(request) if request.path == OPENAI else request.headers.get("x-key", "")

    def wanted(self, request):
        return super().wanted(request) if request.path == OPENAI else self.key

    def text_of(self, body):
        return body["prompt"]

    async def good(self, request, body, how):
        return await (self._openai if request.path == OPENAI else self._order)(request, body, how)

    # --- OpenAI's shape ------------------------------------------------------------------------

    async def _openai(self, request, body, how):
        await self.work(how)
        if how == "moderated":
            return web.json_response({"error": {"code": "moderation_blocked"}}, status=400)
        if how == "text":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if how == "empty":
            return web.json_response({"data": []})
        size = tuple(map(int, body["size"].split("x")))
        data = self.picture(how, size)
        if how in ("url", "redirect", "elsewhere"):
            return web.json_response({"data": [{"url": self._place(data, how)}]})
        answer = web.json_response({"data": [{"b64_json": base64.b64encode(data).decode()}]})
        return await self.half(request, answer.body) if how == "close" else answer

    def picture(self, how, size):
        if how == "html":
            return b"<html>busy</html>" * 500
        data = png((1, 1) if how == "tiny" else size, len(self.bodies), "black" if how == "flat" else None)
        return data[: len(data) // 2] if how == "cut" else data

    def _place(self, data, how):
        name = f"{len(self._files)}.png"
        self._files[name] = data
        if how == "elsewhere":
            return f"http://192.0.2.1/files/{name}"
        return f"{self.root}/files/{'moved-' if how == 'redirect' else ''}{name}"

    def _file(self, request):
        name = request.path.rpartition("/")[2]
        if {"Authorization", "x-key"} & set(request.headers):
            self.log.faults.append("the key was sent to where the picture lies")
        if name.startswith("moved-"):
            return web.Response(status=302, headers={"Location": f"/files/{name.removeprefix('moved-')}"})
        return web.Response(body=self._files[name], content_type="image/png")

    # --- Black Forest Labs' shape -----------------------------------------------------------------

    async def _order(self, request, body, how):
        name = f"job{len(self._jobs)}"
        self._jobs[name] = [time.monotonic() + self.latency, how, (body["width"], body["height"]), 0]
        if how == "elsewhere":
            return web.json_response(
                {"id": name, "polling_url": f"http://192.0.2.1:{self.port}/v1/get_result?id={name}"}
            )
        if how == "empty":
            return web.json_response({"id": None})
        return web.json_response({"id": name, "polling_url": f"{self.url}/get_result?id={name}"})

    def _look(self, request):
        self.looks.append(time.monotonic())
        if self.wrong_key(request):
            self.log.faults.append("a look without the key")
        name = request.query["id"]
        job = self._jobs[name]
        ready_at, how, size, seen = job
        job[3] += 1
        if how == "busy" and seen < 2:
            return self.refusal((503, 429)[seen])
        if how == "lost":
            return web.json_response({"id": name, "status": "Task not found"}, status=404 if seen else 200)
        if time.monotonic() < ready_at or how == "stall" or (how == "slow" and seen < 2):
            return web.json_response({"id": name, "status": "Pending", "result": None})
        if how in ("error", "moderated"):
            return web.json_response({"id": name, "status": {"error": "Error"}.get(how, "Content Moderated")})
        return web.json_response(
            {"id": name, "status": "Ready", "result": {"sample": self._place(self.picture(how, size), "url")}}
        )
