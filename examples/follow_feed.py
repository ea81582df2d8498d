"""Follows the feed from outside: counts events by day and type, and survives being killed at any moment.

    WARMLEDGER_TOKEN=… python3 examples/follow_feed.py counts.json

The position is kept together with the counts, so that both move together; what comes again is left out by it. The
consumer's checkpoint tells the service how far we are: see GET /api/v1/consumers. Python's standard library is enough.
"""

import json, os, sys, time, urllib.request

BASE = os.environ.get("WARMLEDGER_URL", "http://127.0.0.1:8080") + "/api/v1"
HEADERS = {"Authorization": "Bearer " + os.environ["WARMLEDGER_TOKEN"], "Content-Type": "application/json"}
NAME, FILE = "counts-py", sys.argv[1]


def call(method, path, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(BASE + path, data, HEADERS | headers, method=method), timeout=60)


def save(state):
    with open(FILE + ".new", "w") as file:
        json.dump(state, file)
    os.replace(FILE + ".new", FILE)
    call("PUT", f"/consumers/{NAME}", {"position": state["position"], "rewind": True}).close()


def follow(state):
    saved, quiet, position = time.monotonic(), False, state["position"]
    with call("GET", "/events/stream", **{"Last-Event-ID": str(position)}) as stream:
        for line in stream:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "id":
                position = int(value)
            elif field == "data":
                event = json.loads(value)
                key = event["time"][:10] + " " + event["type"]
                state["counts"][key] = state["counts"].get(key, 0) + 1
            elif line == b"\n":  # the end of a block: what it tells is in the state now
                state["position"] = position
                if quiet or time.monotonic() - saved > 1:
                    save(state)
                    saved = time.monotonic()
                quiet = False
            elif field == "":  # a heartbeat: there is time to save
                quiet = True


while True:
    state = json.load(open(FILE)) if os.path.exists(FILE) else {"position": 0, "counts": {}}
    try:
        follow(state)
    except OSError as error:  # also what urllib raises; a stream that just ends is opened again
        print("connecting again:", error, file=sys.stderr)
    time.sleep(1)
