// A relying app built on the certified openid-client. It is given one JSON
// argument and talks to the test on standard output and input:
//
//   {"issuer", "client_id", "client_secret"?, "auth": "basic"|"post"|"none",
//    "id_token_alg"?, "redirect_uri", "scope", "username", "password", "totp"?,
//    "account"?, "pin"?, "email"?, "temporary_password"?, "reason"}
//
// It signs in, checks everything its library checks, and prints one line of
// JSON. Then it waits for a line, by which the test says that the credential is
// revoked, asks for everything again, and prints a second line.

import { createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';
import * as oidc from 'openid-client';
import { Browser } from './browser.mjs';
import { listen } from './callback.mjs';

const given = JSON.parse(process.argv[2]);

const authentication = {
  basic: () => oidc.ClientSecretBasic(given.client_secret),
  post: () => oidc.ClientSecretPost(given.client_secret),
  none: () => oidc.None(),
}[given.auth];

// answers are what the person types, by the names of the fields they see.
const answers = [
  { username: given.username, password: given.password },
  { get code() { return given.totp && oneTimeCode(given.totp); } }, // when it is typed: it is not good for long
  { account: given.account, pin: given.pin, reason: given.reason },
  { email: given.email, password: given.temporary_password, reason: given.reason },
].filter((fields) => Object.values(fields).every((value) => value !== undefined));

async function main() {
  const config = await oidc.discovery(
    new URL(given.issuer),
    given.client_id,
    { id_token_signed_response_alg: given.id_token_alg ?? 'RS256' },
    authentication(),
    { execute: [oidc.allowInsecureRequests] }, // http, on loopback
  );
  // Check the ID token's signature too, though TLS would vouch for it.
  oidc.enableNonRepudiationChecks(config);

  const app = await listen(new URL(given.redirect_uri));
  const browser = new Browser(given.redirect_uri);
  try {
    const tokens = await signIn(config, app, browser, {}, answers);
    const claims = tokens.claims();
    const first = {
      server: config.serverMetadata().issuer,
      claims,
      access_token: tokens.access_token,
      id_token: tokens.id_token,
      refresh_token: tokens.refresh_token,
      scope: tokens.scope,
      userinfo: await oidc.fetchUserInfo(config, tokens.access_token, claims.sub),
    };
    if (given.auth !== 'none') {
      first.introspection = await oidc.tokenIntrospection(config, tokens.access_token);
    }
    if (tokens.refresh_token) {
      const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
      first.renewed = { access_token: renewed.access_token, refresh_token: renewed.refresh_token };
    }
    const silent = await signIn(config, app, browser, { prompt: 'none' }, []);
    first.silent_sid = silent.claims().sid;
    say(first);

    await nextLine();
    say(await afterwards(config, app, browser, first));
  } finally {
    app.close();
  }
}

// signIn walks from the authorization request to the tokens.
async function signIn(config, app, browser, extra, fields) {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: given.redirect_uri,
    scope: given.scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...extra,
  });
  const called = app.next();
  await browser.walk(url, fields);
  return oidc.authorizationCodeGrant(config, await called, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
}

// afterwards asks for all of it again and tells how each request failed.
async function afterwards(config, app, browser, before) {
  const last = before.renewed ?? before;
  const result = {
    userinfo: await failure(() => oidc.fetchUserInfo(config, last.access_token, before.claims.sub)),
    silent: await failure(() => signIn(config, app, browser, { prompt: 'none' }, [])),
  };
  if (given.auth !== 'none') {
    result.introspection = await oidc.tokenIntrospection(config, last.access_token);
  }
  if (last.refresh_token) {
    result.refresh = await failure(() => oidc.refreshTokenGrant(config, last.refresh_token));
  }
  return result;
}

// oneTimeCode is what the person's phone shows now (RFC 6238), for a key in base32.
function oneTimeCode(key) {
  const bits = [...key].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac('sha1', Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))).update(step).digest();
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

async function failure(attempt) {
  try {
    await attempt();
    return { ok: true };
  } catch (error) {
    return { ok: false, error: error.error, status: error.status ?? error.response?.status, message: error.message };
  }
}

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function nextLine() {
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    lines.once('line', resolve);
    lines.once('close', resolve);
  }).finally(() => lines.close());
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n${error.cause ? JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause)) : ''}\n`);
  process.exitCode = 1;
});
