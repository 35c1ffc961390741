"""OpenAI's `/v1/audio/speech` on the loopback, with its faults on request.

How a text can be answered:
    ok          all of it, in the format that was asked for
    stall       nothing, for ever
    close       half of the body, then the connection is closed
    short       a WAV whose header promises more than comes, as a whole answer
    garbage     bytes that are no audio
    brief       good audio, but of another, far shorter text
    400, 401, 403, 404, 429, 500, 503
"""

import asyncio

from aiohttp import web

from servers import tones
from servers.loopback import LoopbackServer


class SpeechApi(LoopbackServer):
    path = "/v1/audio/speech"

    def __init__(self, *args, key="", **more):
        super().__init__(*args, **more)
        self.key = key
        self.bodies = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    async def answer(self, request):
        given = request.headers.get("Authorization", "")
        if self.key and given != f"Bearer {self.key}":
            return web.json_response({"error": {"message": f"Incorrect API key provided: {given}"}}, status=401)
        body = await request.json()
        self.bodies.append(body)
        behaviour = self.how(body["input"])
        if behaviour.isdigit():
            refusal = self.refusal(int(behaviour))
            refusal.text = f"refused, you said {given}"
            return refusal
        if behaviour == "stall":
            await asyncio.sleep(3600)
        await asyncio.sleep(self.latency)
        return await self._audio(request, body, behaviour)

    async def _audio(self, request, body, behaviour):
        text = "Hi." if behaviour == "brief" else body["input"]
        data = tones.wav(text) if body["response_format"] == "wav" else tones.mp3(text)
        if behaviour == "garbage":
            data = b"<html>busy</html>" * 50
        if behaviour == "short":
            data = data[: len(data) // 2]
        if behaviour != "close":
            return web.Response(body=data, content_type=f"audio/{body['response_format']}")
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        request.transport.abort()
        return response
