"""aiohttp: a ClientSession, and its WebSocket."""

import asyncio
import hashlib
import json

import aiohttp

from cell import BODY, BODY_FILE, HEADERS, METHOD, PROXY, SCENARIO, URLS, answer, failure, pieces


async def slow_pieces():
    for piece in pieces():
        yield piece


async def echo(session, url):
    async with session.ws_connect(url, proxy=PROXY) as socket:
        await socket.send_str("sally")
        return answer(101, (await socket.receive_str(timeout=20)))


def body():
    if SCENARIO == "upload":
        return open(BODY_FILE, "rb")
    return slow_pieces() if SCENARIO == "post-chunked" else BODY if METHOD == "POST" else None


async def fetch(session, url):
    if SCENARIO == "websocket":
        return await echo(session, url)
    expect = SCENARIO == "expect-continue"
    headers = {} if expect else HEADERS
    async with session.request(METHOD, url, proxy=PROXY, data=body(), headers=headers, expect100=expect) as response:
        if SCENARIO == "abort":
            first = await response.content.read(65536)
            response.close()
            return answer(response.status, str(len(first)))
        if SCENARIO == "download":
            sha256 = hashlib.sha256()
            async for chunk in response.content.iter_any():
                sha256.update(chunk)
            return answer(response.status, sha256.hexdigest())
        return answer(response.status, await response.read(), response.headers.get("Content-Length"))


async def main():
    answers = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(300)) as session:
        for url in URLS:
            try:
                answers.append(await fetch(session, url))
            except Exception as error:
                answers.append(failure(error))
    print(json.dumps(answers))


asyncio.run(main())
