"""requests: a Session, which keeps connections."""

import requests

from cell import BODY, BODY_FILE, CA, HEADERS, METHOD, PROXY, SCENARIO, answer, digest, pieces, tell

session = requests.Session()
session.proxies = {"http": PROXY, "https": PROXY}
session.verify = CA


def body():
    if SCENARIO == "upload":
        return open(BODY_FILE, "rb")
    return pieces() if SCENARIO == "post-chunked" else BODY if METHOD == "POST" else None


def fetch(url):
    response = session.request(METHOD, url, data=body(), headers=HEADERS, stream=True)
    if SCENARIO == "abort":
        first = next(response.iter_content(65536))
        response.close()
        return answer(response.status_code, str(len(first)))
    if SCENARIO == "download":
        return answer(response.status_code, digest(response.iter_content(1 << 20)))
    return answer(response.status_code, response.content, response.headers.get("Content-Length"))


tell(fetch)
