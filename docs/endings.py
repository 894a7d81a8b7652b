"""Follows a broker's stream of endings: an app that asks it refuses what has ended
within milliseconds, and everything where that cannot be known.

  CLIENT_SECRET=... python endings.py ISSUER CLIENT_ID     prints what it hears

It needs nothing but Python. In your app make one Endings in each process, and after
a token is verified ask endings.state(claims["sid"]): let in what is "live", refuse
what is "ended", and introspect what is "unknown", or refuse it with 503.
"""

import json
import os
import random
import sys
import threading
import time
from base64 import b64encode
from http.client import HTTPException
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import uuid4

MAX_STALENESS = 10  # seconds: what is known is no older than that, or is not known
KEPT = 3600  # seconds for which an ended session is kept: longer than an access token can live (tokens.access, and 2 minutes)

FAILURES = OSError, ValueError, KeyError, HTTPException


class NoRedirect(HTTPRedirectHandler):  # where the broker is, the configuration says
    def redirect_request(self, *_):
        return None


def clocks():
    """One moment on two clocks: a set clock deceives one, a suspended machine the other."""
    return time.monotonic(), time.time()


class Endings:
    def __init__(self, issuer, client_id, secret, heard=lambda kind, sid: None):
        self.issuer, self.heard, self.instance = issuer, heard, str(uuid4())
        self.basic = b64encode(f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
        self.open = build_opener(NoRedirect).open
        self.ended = {}  # by sid: since when, by the monotonic clock
        self.last, self.fresh, self.pause = "", None, 1.0
        self.reached, self.to_acknowledge = ("", 0.0), threading.Event()
        for work in self.run, self.acknowledge:
            threading.Thread(target=work, daemon=True).start()

    def state(self, sid):
        now, fresh = clocks(), self.fresh  # before the endings: they are applied first
        if sid in self.ended:
            return "ended"
        return "live" if fresh and max(now[0] - fresh[0], now[1] - fresh[1]) <= MAX_STALENESS else "unknown"

    def run(self):
        while True:
            try:
                self.follow()
            except FAILURES as error:
                print("the stream ended:", error, file=sys.stderr, flush=True)
            time.sleep(self.pause * random.uniform(1, 1.5))

    def call(self, url, headers, body=None):
        with self.open(Request(url, body, headers), timeout=5) as answer:
            return answer.read()

    def token(self):
        endpoint = json.loads(self.call(f"{self.issuer}/.well-known/openid-configuration", {}))["token_endpoint"]
        body = urlencode({"grant_type": "client_credentials", "scope": "endings.read"}).encode()
        return json.loads(self.call(endpoint, {"Authorization": "Basic " + self.basic}, body))["access_token"]

    def follow(self):
        self.bearer = "Bearer " + self.token()
        headers = {"Authorization": self.bearer, "Accept": "text/event-stream"}
        if self.last:
            headers["Last-Event-ID"] = self.last
        query = urlencode({"instance": self.instance, "max_staleness": f"{MAX_STALENESS}s"})
        sent = clocks()  # what is said to be fresh counts from here
        # Something comes every 5 seconds at least, or there is nobody any more.
        with self.open(Request(f"{self.issuer}/api/v1/endings?{query}", headers=headers), timeout=7) as stream:
            event, told, self.understood = {}, False, True
            for line in iter(stream.readline, b""):
                field, _, value = line.decode().rstrip("\r\n").partition(":")
                if field:
                    event[field] = value.removeprefix(" ")
                elif not line.strip() and event:
                    told = self.apply(event, sent, told)
                    event = {}

    def apply(self, event, sent, told):
        if "retry" in event:
            self.pause = int(event["retry"]) / 1000
        kind = event.get("event")
        if kind == "ended":
            sid = json.loads(event["data"])["sid"]
            self.ended[sid] = time.monotonic()
            self.heard("ended", sid)
            self.note(event["id"])
        elif kind == "fresh":
            told = self.confirm(json.loads(event["data"]), sent, told)
        elif kind == "reset":
            self.last = ""  # but what has ended has ended
        elif kind == "keys":
            self.heard("keys", None)  # fetch the JWKS again now
        elif kind:  # of a later version: nothing is known until the next connection
            self.understood, self.fresh = False, None
        return told

    def confirm(self, said, sent, told):
        """The broker had told everything since_open_ms after it took the request, and so after sent."""
        now, since = clocks(), said["since_open_ms"] / 1000
        if abs((now[1] - sent[1]) - (now[0] - sent[0])) > 1:
            raise ValueError("the clock was set, or the machine was suspended")
        if self.understood:
            self.fresh = min(now[0], sent[0] + since), min(now[1], sent[1] + since)
        for sid in [sid for sid, at in list(self.ended.items()) if now[0] - at > KEPT]:
            del self.ended[sid]
        if not told and self.last:
            self.note(self.last)  # so that the broker knows how far this copy of the app has come
        return True

    def note(self, place):
        self.last = place
        self.reached = place, time.monotonic()
        self.to_acknowledge.set()

    def acknowledge(self):
        """Tells the broker what is applied: the owner is shown that this app refuses."""
        while self.to_acknowledge.wait():
            time.sleep(random.uniform(0.02, 0.25))  # one receipt for what comes together
            self.to_acknowledge.clear()
            place, at = self.reached
            body = {"instance": self.instance, "id": place, "age_ms": int((time.monotonic() - at) * 1000)}
            try:
                self.bearer = self.bearer or "Bearer " + self.token()
                self.call(f"{self.issuer}/api/v1/endings/ack", {"Authorization": self.bearer, "Content-Type": "application/json"}, json.dumps(body).encode())
            except FAILURES as error:
                print("a receipt was not taken:", error, file=sys.stderr, flush=True)
                code = getattr(error, "code", 0)
                self.bearer = None if code == 401 else self.bearer
                if code != 409:  # 409: of a log that is no more
                    time.sleep(1)
                    self.to_acknowledge.set()


if __name__ == "__main__":
    endings = Endings(sys.argv[1], sys.argv[2], os.environ["CLIENT_SECRET"], lambda kind, sid: print(kind, sid, flush=True))
    while True:
        time.sleep(60)
