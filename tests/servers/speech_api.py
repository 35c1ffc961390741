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

from aiohttp import web

from servers import tones
from servers.json_api import JsonApi


class SpeechApi(JsonApi):
    path = "/v1/audio/speech"

    def text_of(self, body):
        return body["input"]

    async def good(self, request, body, how):
        await self.work(how)
        text = "Hi." if how == "brief" else body["input"]
        data = tones.wav(text) if body["response_format"] == "wav" else tones.mp3(text)
        if how == "garbage":
            data = b"<html>busy</html>" * 50
        if how == "short":
            data = data[: len(data) // 2]
        if how == "close":
            return await self.half(request, data)
        return web.Response(body=data, content_type=f"audio/{body['response_format']}")
