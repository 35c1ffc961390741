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

import json
import re

from aiohttp import web

from servers.json_api import JsonApi

SCENES_ASKED = re.compile(r"exactly (\d+) scenes")


def script(count, about):
    scenes = [
        {"title": f"Part {n}", "text": f"Sentence {n} about {about}.", "prompt": f"picture {n}"}
        for n in range(1, count + 1)
    ]
    return {"title": f"On {about}", "description": "A test.", "language": "en", "scenes": scenes}


class ChatApi(JsonApi):
    """`forms`: the response formats that the service knows ("" for none asked)."""

    path = "/v1/chat/completions"

    def __init__(self, *args, forms=("json_schema", "json_object", ""), **more):
        super().__init__(*args, **more)
        self.forms = forms

    def objection(self, body):
        form = body.get("response_format", {}).get("type", "")
        if form in self.forms:
            return None
        self.note("form", form)
        return web.json_response({"error": {"message": f"Invalid response_format: {form}"}}, status=400)

    def text_of(self, body):
        return body["messages"][1]["content"]

    async def good(self, request, body, how):
        await self.work(how)
        if how == "html":
            return web.Response(text="<html>busy</html>", content_type="text/html")
        if how == "nothing":
            return web.json_response({"choices": []})
        count = int(SCENES_ASKED.search(body["messages"][0]["content"])[1])
        message, finish = said(how, count, self.text_of(body)[:20])
        data = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}]}).encode()
        if how == "close":
            return await self.half(request, data)
        return web.Response(body=data, content_type="application/json")


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
