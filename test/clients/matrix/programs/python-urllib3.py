"""urllib3: a ProxyManager, with the credentials as the header that it wants them as."""

import os

import urllib3

from cell import BODY, BODY_FILE, CA, HEADERS, METHOD, PROXY, SCENARIO, answer, digest, pieces, tell

proxy = urllib3.util.parse_url(PROXY)
manager = urllib3.ProxyManager(
    f"http://{proxy.host}:{proxy.port}",
    proxy_headers=urllib3.make_headers(proxy_basic_auth=proxy.auth),
    ca_certs=CA,
    retries=urllib3.Retry(3, connect=0, read=0),
)


def request(url):
    options = {"headers": dict(HEADERS), "preload_content": False}
    if SCENARIO == "upload":
        options["headers"]["Content-Length"] = str(os.path.getsize(BODY_FILE))
        return manager.urlopen(METHOD, url, body=open(BODY_FILE, "rb"), **options)
    if SCENARIO == "post-chunked":
        return manager.urlopen(METHOD, url, body=pieces(), chunked=True, **options)
    return manager.urlopen(METHOD, url, body=BODY if METHOD == "POST" else None, **options)


def fetch(url):
    response = request(url)
    if SCENARIO == "abort":
        first = response.read(65536)
        response.close()
        return answer(response.status, str(len(first)))
    if SCENARIO == "download":
        return answer(response.status, digest(response.stream(1 << 20)))
    body = response.read()
    response.release_conn()
    return answer(response.status, body, response.headers.get("Content-Length"))


tell(fetch)
