"""What the Python programs share: the words they are started with, and the line they print."""

import hashlib
import json
import os
import sys

SCENARIO, URLS = sys.argv[1], sys.argv[2:]
PROXY = os.environ["PROXY"]
BODY = os.environ["BODY"].encode()
BODY_FILE = os.environ["BODY_FILE"]
CA = os.environ["SSL_CERT_FILE"]

POSTS = ("post-length", "post-chunked", "expect-continue", "upload")
METHOD = "POST" if SCENARIO in POSTS else "HEAD" if SCENARIO == "head" else "GET"
HEADERS = {"no-body": {"If-None-Match": '"e"'}, "expect-continue": {"Expect": "100-continue"}}.get(SCENARIO, {})


def pieces():
    """The small body in two pieces, of a length that nobody was told."""
    yield BODY[:5]
    yield BODY[5:]


def digest(chunks):
    """SHA-256 of a body as it comes."""
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
    return sha256.hexdigest()


def answer(status, body, length=None):
    """One answer; `length` is the Content-Length that came."""
    text = body if isinstance(body, str) else body.decode()
    return {"status": status, "body": text, "length": None if length is None else int(length)}


def failure(error):
    """What a user reads of it."""
    return {"error": f"{type(error).__name__}: {error}"}


def tell(fetch):
    """Fetches every URL, prints what came of it."""
    answers = []
    for url in URLS:
        try:
            answers.append(fetch(url))
        except Exception as error:
            answers.append(failure(error))
    print(json.dumps(answers))
