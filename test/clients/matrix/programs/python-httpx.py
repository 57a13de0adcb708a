"""httpx: a Client, which keeps connections and speaks through h11."""

import os

import httpx

from cell import BODY, BODY_FILE, CA, HEADERS, METHOD, PROXY, SCENARIO, answer, digest, pieces, tell

client = httpx.Client(proxies=PROXY, verify=CA, follow_redirects=True, timeout=300)


def request(url):
    if SCENARIO == "upload":
        headers = {"Content-Length": str(os.path.getsize(BODY_FILE))}
        return client.build_request(METHOD, url, content=open(BODY_FILE, "rb"), headers=headers)
    content = pieces() if SCENARIO == "post-chunked" else BODY if METHOD == "POST" else None
    return client.build_request(METHOD, url, content=content, headers=HEADERS)


def fetch(url):
    response = client.send(request(url), stream=True)
    try:
        if SCENARIO == "abort":
            return answer(response.status_code, str(len(next(response.iter_raw(65536)))))
        if SCENARIO == "download":
            return answer(response.status_code, digest(response.iter_raw(1 << 20)))
        return answer(response.status_code, response.read(), response.headers.get("Content-Length"))
    finally:
        response.close()


tell(fetch)
