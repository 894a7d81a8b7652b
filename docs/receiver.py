"""Follows the security events of a broker (Shared Signals, polled: RFC 8936) and
prints the id of each support session that has ended.

  pip install "pyjwt[crypto]" requests
  CLIENT_SECRET=... python receiver.py ISSUER CLIENT_ID
"""

import os
import sys
import time
from urllib.parse import quote

import jwt
import requests

REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
UPDATED = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
POLL = "urn:ietf:rfc:8936"
issuer, client_id = sys.argv[1:3]


def ended(sid):
    """What your app does: refuse tokens with this sid. It may be called again with
    the same one. When it returns, the event is acknowledged and never comes again,
    so keep what must outlive this process before that."""
    print("ended", sid, flush=True)


def call(method, url, **more):
    answer = requests.request(method, url, allow_redirects=False, timeout=(5, 40), **more)
    if answer.status_code not in (200, 201):
        raise ConnectionError(f"{url}: {answer.status_code} {answer.text[:200]}")
    return answer.json()


def well_known(name):
    found = call("GET", f"{issuer}/.well-known/{name}")
    if found["issuer"] != issuer:
        raise ConnectionError(f"{name} is of {found['issuer']}")
    return found


class Bearer(requests.auth.AuthBase):
    """A token by client_credentials, another one shortly before it expires."""

    token, until = "", 0.0

    def __call__(self, request):
        if time.monotonic() >= self.until:
            asked = time.monotonic()
            got = call("POST", well_known("openid-configuration")["token_endpoint"], data={"grant_type": "client_credentials"},
                       auth=(quote(client_id, safe=""), quote(os.environ["CLIENT_SECRET"], safe="")))
            self.token, self.until = got["access_token"], asked + got["expires_in"] - 60
        request.headers["Authorization"] = "Bearer " + self.token
        return request


def stream(found, bearer):
    """The stream of this client that is polled; there is one after the first time."""
    for have in call("GET", found["configuration_endpoint"], auth=bearer):
        if have["delivery"]["method"] == POLL:
            return have
    return call("POST", found["configuration_endpoint"], auth=bearer, json={"delivery": {"method": POLL}, "events_requested": [REVOKED]})


def enable(found, bearer, mine):
    """Has a stream go on that was paused: by the broker, where nobody polled for too long."""
    call("POST", found["status_endpoint"], auth=bearer, json={"stream_id": mine["stream_id"], "status": "enabled"})


def event(token, keys, audience):
    """The claims of a Security Event Token (RFC 8417) that is meant for this client."""
    if jwt.get_unverified_header(token).get("typ", "").lower() != "secevent+jwt":
        raise jwt.InvalidTokenError("it is no security event")
    return jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["RS256"], issuer=issuer, audience=audience,
                      options={"require": ["iat", "jti", "events"], "verify_iat": False})


def follow(say):
    """Polls, until something fails. What is to be acknowledged is in say until the
    broker has heard it."""
    found, bearer = well_known("ssf-configuration"), Bearer()
    keys = jwt.PyJWKClient(found["jwks_uri"], timeout=5)
    mine = stream(found, bearer)
    enable(found, bearer, mine)
    while True:  # a poll waits at the broker until there is something, for 30 seconds
        answer = call("POST", mine["delivery"]["endpoint_url"], auth=bearer, json=say)
        say["ack"], say["setErrs"] = [], {}
        for jti, token in answer["sets"].items():
            try:
                said = event(token, keys, mine["aud"])
            except jwt.PyJWKClientError:
                raise  # its key is not to be had yet: nothing is known about the event, and it comes again
            except jwt.PyJWTError as error:
                say["setErrs"][jti] = {"err": "invalid_request", "description": str(error)}
                continue
            if REVOKED in said["events"]:
                ended(said["sub_id"]["session"]["id"])
            if UPDATED in said["events"]:  # endings may be lost: until tokens.access is over, introspect every token
                print("the stream was", said["events"][UPDATED], file=sys.stderr, flush=True)
                enable(found, bearer, mine)
            say["ack"].append(jti)


say = {"ack": [], "setErrs": {}}
while True:
    try:
        follow(say)
    except (OSError, jwt.PyJWKClientError) as error:  # of requests, too
        print("trying again:", error, file=sys.stderr, flush=True)
        time.sleep(1)
