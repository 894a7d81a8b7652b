// A relying app built on openid-client and jose, which signs out. It is given one
// JSON argument:
//
//   {"issuer", "client_id", "client_secret", "redirect_uri", "bye", "scope", "username", "password", "account", "pin", "reason"}
//
// It signs in with an answer that is posted to it, signs out at the broker, and
// prints one line of JSON. Then it is given a line with the logout token that the
// app was called back with, and prints what jose finds in it.

import { createInterface } from 'node:readline/promises';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { Browser } from './browser.mjs';
import { listen } from './callback.mjs';

const given = JSON.parse(process.argv[2]);

const answers = [
  { username: given.username, password: given.password },
  { account: given.account, pin: given.pin, reason: given.reason },
];

async function main() {
  const config = await oidc.discovery(new URL(given.issuer), given.client_id, given.client_secret, undefined, {
    execute: [oidc.allowInsecureRequests], // http, on loopback
  });
  oidc.enableNonRepudiationChecks(config);
  const browser = new Browser(given.redirect_uri);
  const tokens = await signIn(config, browser);
  const left = await signOut(config, browser, tokens.id_token);
  let after = 'alive';
  await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub).catch((error) => { after = error.status; });
  say({ sid: tokens.claims().sid, left, after });

  const lines = createInterface({ input: process.stdin });
  const token = await lines[Symbol.asyncIterator]().next();
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload } = await jwtVerify(JSON.parse(token.value), keys, {
    issuer: given.issuer, audience: given.client_id, typ: 'logout+jwt', algorithms: ['RS256'], requiredClaims: ['iat', 'exp', 'jti', 'sid', 'events'],
  });
  say(payload);
  lines.close();
}

async function signIn(config, browser) {
  const app = await listen(new URL(given.redirect_uri));
  try {
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
    const expectedState = oidc.randomState();
    const expectedNonce = oidc.randomNonce();
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: given.redirect_uri, scope: given.scope, response_mode: 'form_post', state: expectedState, nonce: expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
    });
    const called = app.next();
    await browser.walk(url, answers);
    const request = await called;
    if (request.method !== 'POST') throw new Error(`the answer was not posted: ${request}`);
    return await oidc.authorizationCodeGrant(config, request, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true });
  } finally {
    app.close();
  }
}

// signOut returns the parameters that the browser comes back to the app with.
async function signOut(config, browser, hint) {
  const app = await listen(new URL(given.bye));
  try {
    const url = oidc.buildEndSessionUrl(config, { id_token_hint: hint, post_logout_redirect_uri: given.bye, state: 'gone & away' });
    const called = app.next();
    await browser.walk(url, [], given.bye);
    return Object.fromEntries((await called).searchParams);
  } finally {
    app.close();
  }
}

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n${error.cause ? JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause)) : ''}\n`);
  process.exitCode = 1;
});
