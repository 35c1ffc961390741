"""OpenAI's `/v1/chat/completions` on the loopback, with its faults on request.

How a brief (the first word of the user) can be answered:
    ok          a script with as many scenes as the first message asks for
    fenced      the same, between ``` and with words around it
    parts       the same, as a list of content parts
    extra       the same, with fields that nobody asked for
    fewer       one scene less
    prose       friendly words, no JSON
    half        JSON that stops in the middle, though the model says that it is done
    cut         the same, and the model says that it came to its limit
    shape       JSON of another shape
    silent      a script whose second text is empty
    refused     the model will not
    filtered    a filter stopped the answer
    html, nothing, empty   a page; JSON that is no completion; no content
    stall       nothing, for ever
    close       half of the body, then the connection is closed
    400, 401, 404, 429, 500, 503
"""

import asyncio
import json
import re

from aiohttp import web

from servers.loopback import LoopbackServer

SCENES_ASKED = re.compile(r"exactly (\d+) scenes")


def script(count, about):
    scenes = [
        {"title": f"Part {n}", "text": f"Sentence {n} about {about}.", "prompt": f"picture {n}"}
        for n in range(1, count + 1)
    ]
    return {"title": f"On {about}", "description": "A test.", "language": "en", "scenes": scenes}


class ChatApi(LoopbackServer):
    """`forms`: the response formats that the service knows ("" for none asked)."""

    path = "/v1/chat/completions"

    def __init__(self, *args, key="", forms=("json_schema", "json_object", ""), **more):
        super().__init__(*args, **more)
        self.key = key
        self.forms = forms
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
        form = body.get("response_format", {}).get("type", "")
        if form not in self.forms:
            self.note("form", form)
            return web.json_response({"error": {"message": f"Invalid response_format: {form}"}}, status=400)
        behaviour = self.how(body["messages"][1]["content"])
        if behaviour.isdigit():
            refusal = self.refusal(int(behaviour))
            refusal.text = f"refused, you said {given}"
            return refusal
        if behaviour == "stall":
            await asyncio.sleep(3600)
        await asyncio.sleep(self.latency)
        return await self._completion(request, body, behaviour)

    async def _completion(self, request, body, behaviour):
        if behaviour == "html":
            return web.Response(text="<html>busy</html>", content_type="text/html")
        if behaviour == "nothing":
            return web.json_response({"choices": []})
        count = int(SCENES_ASKED.search(body["messages"][0]["content"])[1])
        message, finish = said(behaviour, count, body["messages"][1]["content"][:20])
        data = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}]}).encode()
        if behaviour != "close":
            return web.Response(body=data, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        request.transport.abort()
        return response


def said(behaviour, count, about):
    """(message, finish_reason)"""
    good = script(count, about)
    if behaviour == "fewer":
        good["scenes"].pop()
    if behaviour == "silent":
        good["scenes"][1]["text"] = " … "
    if behaviour == "extra":
        good["scenes"][0] |= {"duration": 5, "image": "/etc/passwd", "voice": 7}
        good["music"] = "loud"
    if behaviour == "shape":
        good = {"title": ["a", "list"], "scenes": [{"title": "no text"}, 7, {"text": {"en": "deep"}}]}
    content = json.dumps(good)
    contents = {
        "fenced": f"Here you are:\n```json\n{content}\n```\nHave fun!",
        "parts": [{"type": "text", "text": content[:30]}, {"type": "text", "text": content[30:]}],
        "prose": "I would love to write you a script! What should it be about?",
        "half": content[: len(content) // 2],
        "cut": content[: len(content) // 2],
        "empty": "",
        "refused": None,
        "filtered": None,
    }
    message = {"role": "assistant", "content": contents.get(behaviour, content)}
    if behaviour == "refused":
        message["refusal"] = "I can't help with that."
    return message, {"cut": "length", "filtered": "content_filter"}.get(behaviour, "stop")
