"""
h11 as a judge: reads frames (length, stream) from standard input, and writes for each
what h11 takes the stream for, as a frame of JSON. Ends with its input.
"""
import json
import struct
import sys

import h11

ANSWER = h11.Response(status_code=200, headers=[("content-length", "0")])


def read(octets):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(octets)
    connection.receive_data(b"")
    requests, current = [], None
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            # The end of the stream inside of a message is no refusal of what came until then.
            early = "closed" in str(error) or "incomplete" in str(error)
            return requests, "partial" if early else {"refused": str(error)}
        if event is h11.PAUSED:
            if current is not None:
                current["body"] = connection.trailing_data[0].decode("latin-1")
                requests.append(current)
                return requests, "nothing"
            connection.send(ANSWER)
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
        elif event is h11.NEED_DATA:
            return requests, "partial"
        elif isinstance(event, h11.ConnectionClosed):
            return requests, "nothing"
        elif isinstance(event, h11.Request):
            current = {
                "method": event.method.decode("latin-1"),
                "target": event.target.decode("latin-1"),
                "fields": [[n.decode("latin-1"), v.decode("latin-1")] for n, v in event.headers.raw_items()],
                "body": "",
            }
        elif isinstance(event, h11.Data):
            current["body"] += bytes(event.data).decode("latin-1")
        elif isinstance(event, h11.EndOfMessage):
            if current["method"] != "CONNECT":
                requests.append(current)
                current = None
                # A switch of protocols that is not agreed to: the next event would be a pause for it.
                connection.send(ANSWER)
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()


def main():
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        header = source.read(4)
        if len(header) < 4:
            return
        requests, tail = read(source.read(struct.unpack(">I", header)[0]))
        answer = json.dumps({"requests": requests, "tail": tail}).encode("ascii")
        sink.write(struct.pack(">I", len(answer)) + answer)
        sink.flush()


print(h11.__version__, file=sys.stderr, flush=True)
main()
