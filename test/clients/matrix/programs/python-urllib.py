"""urllib of the standard library: http.client below, one connection a request."""

import urllib.error
import urllib.request

from cell import BODY, BODY_FILE, HEADERS, METHOD, PROXY, SCENARIO, answer, digest, pieces, tell

handlers = [urllib.request.ProxyHandler({"http": PROXY, "https": PROXY})]
if SCENARIO == "challenge":
    credentials, address = PROXY.removeprefix("http://").split("@")
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, address, *credentials.split(":"))
    handlers = [
        urllib.request.ProxyHandler({"http": f"http://{address}"}),
        urllib.request.ProxyBasicAuthHandler(known),
    ]
opener = urllib.request.build_opener(*handlers)


def fetch(url):
    headers = dict(HEADERS)
    data = None
    if METHOD == "POST":
        headers["Content-Type"] = "text/plain"
        data = pieces() if SCENARIO == "post-chunked" else BODY
    if SCENARIO == "upload":
        with open(BODY_FILE, "rb") as file:
            headers["Content-Length"] = str(file.seek(0, 2))
        data = open(BODY_FILE, "rb")
    request = urllib.request.Request(url, data=data, headers=headers, method=METHOD)
    try:
        response = opener.open(request)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        if SCENARIO == "abort":
            return answer(response.status, str(len(response.read(65536))))
        if SCENARIO == "download":
            return answer(response.status, digest(iter(lambda: response.read(1 << 20), b"")))
        return answer(response.status, response.read(), response.headers.get("Content-Length"))


tell(fetch)
