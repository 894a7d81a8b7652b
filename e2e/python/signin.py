"""A relying app built on Authlib. It is given one JSON argument, signs in, checks
what an app checks, and prints one line of JSON. Then it waits for a line, by
which the test says that the credential is revoked, asks for everything again, and
prints a second line:

  {"issuer", "client_id", "client_secret"?, "key"?: private JWK, "auth": a token_endpoint_auth_method,
   "id_token_alg", "redirect_uri", "scope", "form_post"?, "username", "password", "code"?,
   "account"?, "pin"?, "email"?, "temporary_password"?, "reason"}
"""

import json
import sys
import time

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet, import_key

from browser import Browser, query

given = json.loads(sys.argv[1])

ANSWERS = [
    {"username": given["username"], "password": given["password"]},
    {"code": given.get("code")},
    {"account": given.get("account"), "pin": given.get("pin"), "reason": given["reason"]},
    {"email": given.get("email"), "password": given.get("temporary_password"), "reason": given["reason"]},
]
ANSWERS = [fields for fields in ANSWERS if None not in fields.values()]


class App:
    def __init__(self):
        self.client = OAuth2Session(
            given["client_id"], import_key(given["key"]) if "key" in given else given.get("client_secret"),
            token_endpoint_auth_method=given["auth"], revocation_endpoint_auth_method=given["auth"],
            scope=given["scope"], redirect_uri=given["redirect_uri"], code_challenge_method="S256", default_timeout=60,
        )
        self.client.trust_env = False
        self.server = self.get(given["issuer"] + "/.well-known/openid-configuration")
        if self.server["issuer"] != given["issuer"]:
            raise RuntimeError(f"the issuer is {self.server['issuer']}")
        if given["auth"] == "private_key_jwt":
            self.client.register_client_auth_method(Assertion(given["issuer"]))
        self.browser = Browser(given["redirect_uri"])

    def get(self, url):
        answer = self.client.get(url, withhold_token=True)
        answer.raise_for_status()
        return answer.json()

    def sign_in(self, answers, **more):
        """From the authorization request to tokens whose ID token is verified."""
        verifier, nonce = generate_token(48), generate_token()
        if given.get("form_post"):
            more["response_mode"] = "form_post"
        url, state = self.client.create_authorization_url(self.server["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **more)
        came = self.browser.walk(url, answers)
        said = query(came) if isinstance(came, str) else came
        if isinstance(came, str) == bool(given.get("form_post")):
            raise RuntimeError(f"the answer came as {came}")
        if said.get("state") != state or said.get("iss") != given["issuer"]:
            raise RuntimeError(f"the answer is {said}")
        if "error" in said:
            raise OAuthError(error=said["error"], description=said.get("error_description"))
        token = self.client.fetch_token(self.server["token_endpoint"], grant_type="authorization_code", code=said["code"], code_verifier=verifier)
        return token, self.id_claims(token, nonce)

    def id_claims(self, token, nonce):
        keys = KeySet.import_key_set(self.get(self.server["jwks_uri"]))
        opened = jwt.decode(token["id_token"], keys, algorithms=[given["id_token_alg"]])
        claims = CodeIDToken(opened.claims, opened.header, params={"nonce": nonce, "client_id": given["client_id"], "access_token": token["access_token"]},
                             options={"iss": {"value": given["issuer"]}, "aud": {"value": given["client_id"]}})
        claims.validate()
        return dict(claims)

    def introspect(self, token):
        answer = self.client.introspect_token(self.server["introspection_endpoint"], token=token)
        return answer.json() if answer.status_code == 200 else {"status": answer.status_code, "body": answer.text}

    def userinfo(self):
        return self.client.get(self.server["userinfo_endpoint"])


class Assertion(PrivateKeyJWT):
    """private_key_jwt as FAPI 2.0 wants it: for the issuer, and for a minute. Authlib
    makes it for the token endpoint and an hour, unless it is told."""

    def __init__(self, issuer):
        super().__init__(issuer, alg=given["key"]["alg"], headers={"kid": given["key"]["kid"]})

    def sign(self, auth, token_endpoint):
        self.claims = {"exp": int(time.time()) + 60}
        return super().sign(auth, token_endpoint)


def failure(attempt):
    try:
        answer = attempt()
    except OAuthError as error:
        return {"ok": False, "error": error.error, "message": error.description or ""}
    if getattr(answer, "status_code", 200) >= 400:
        return {"ok": False, "status": answer.status_code, "message": answer.text}
    return {"ok": True}


def say(value):
    print(json.dumps(value), flush=True)


def main():
    app = App()
    token, claims = app.sign_in(ANSWERS)
    first = {"server": app.server["issuer"], "claims": claims, "access_token": token["access_token"], "id_token": token["id_token"],
             "refresh_token": token.get("refresh_token", ""), "userinfo": app.userinfo().json()}
    if given["auth"] != "none":
        first["introspection"] = app.introspect(token["access_token"])
    if "refresh_token" in token:
        renewed = app.client.refresh_token(app.server["token_endpoint"])
        first["renewed"] = {"access_token": renewed["access_token"], "refresh_token": renewed.get("refresh_token", "")}
    last = dict(app.client.token)
    _, silent = app.sign_in([], prompt="none")
    first["silent_sid"] = silent["sid"]
    say(first)

    sys.stdin.readline()
    after = {"userinfo": failure(app.userinfo), "silent": failure(lambda: app.sign_in([], prompt="none"))}
    if given["auth"] != "none":
        after["introspection"] = app.introspect(last["access_token"])
        after["revoked"] = app.client.revoke_token(app.server["revocation_endpoint"], token=last["access_token"]).status_code
    if "refresh_token" in last:
        after["refresh"] = failure(lambda: app.client.refresh_token(app.server["token_endpoint"], refresh_token=last["refresh_token"]))
    say(after)


main()
