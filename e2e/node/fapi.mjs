// A bank's app built on the certified openid-client, as FAPI 2.0 wants one: it
// pushes its requests, proves who it is by a key, and holds tokens that are bound
// to another one. It is given one JSON argument and prints one line of JSON:
//
//   {"issuer", "client_id", "key": private JWK, "redirect_uri", "scope",
//    "api_client_id", "api_path", "username", "password", "account", "pin", "reason"}

import * as oidc from 'openid-client';
import { Browser } from './browser.mjs';
import { listen } from './callback.mjs';

const given = JSON.parse(process.argv[2]);

const answers = [
  { username: given.username, password: given.password },
  { account: given.account, pin: given.pin, reason: given.reason },
];

async function main() {
  const key = await crypto.subtle.importKey('jwk', given.key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const as = (id, metadata) => oidc.discovery(new URL(given.issuer), id, metadata, oidc.PrivateKeyJwt({ key, kid: given.key.kid }), {
    execute: [oidc.allowInsecureRequests], // http, on loopback
  });
  const config = await as(given.client_id, { id_token_signed_response_alg: 'ES256', use_mtls_endpoint_aliases: false });
  oidc.enableNonRepudiationChecks(config);
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
  const other = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));

  const app = await listen(new URL(given.redirect_uri));
  const browser = new Browser(given.redirect_uri);
  try {
    const { url, tokens } = await signIn(config, app, browser, DPoP);
    const claims = tokens.claims();
    const result = {
      authorization_url: url.href,
      claims,
      token_type: tokens.token_type,
      access_token: tokens.access_token,
      userinfo: await oidc.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP }),
      introspection: await oidc.tokenIntrospection(config, tokens.access_token),
      metadata: config.serverMetadata(),
    };
    // A refresh token of a client with a key is good as often as it likes.
    for (const name of ['renewed', 'renewed_again']) {
      const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
      result[name] = { token_type: renewed.token_type, access_token: renewed.access_token, refresh_token: renewed.refresh_token };
    }
    result.as_bearer = await failure(() => oidc.fetchUserInfo(config, tokens.access_token, claims.sub));
    result.by_another_key = await failure(() => oidc.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP: other }));
    result.refresh_as_bearer = await failure(() => oidc.refreshTokenGrant(config, tokens.refresh_token));
    result.pushed_again = await answer(app, browser, url);
    result.not_pushed = await answer(app, browser, await plainURL(config));
    result.api = await management(await as(given.api_client_id), DPoP);

    await oidc.tokenRevocation(config, tokens.access_token);
    result.after = await failure(() => oidc.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP }));
    result.refresh_after = await failure(() => oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }));
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    app.close();
  }
}

// parameters are those of a good request, and what its answer is checked with.
async function parameters() {
  const checks = { pkceCodeVerifier: oidc.randomPKCECodeVerifier(), expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce(), idTokenExpected: true };
  return {
    checks,
    request: {
      redirect_uri: given.redirect_uri,
      scope: given.scope,
      code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
    },
  };
}

// signIn pushes the request, walks through the pages and exchanges the code.
async function signIn(config, app, browser, DPoP) {
  const { request, checks } = await parameters();
  const url = await oidc.buildAuthorizationUrlWithPAR(config, request, { DPoP });
  const called = app.next();
  await browser.walk(url, answers);
  return { url, tokens: await oidc.authorizationCodeGrant(config, await called, checks, undefined, { DPoP }) };
}

async function plainURL(config) {
  return oidc.buildAuthorizationUrl(config, (await parameters()).request);
}

// answer is what the app is told when the browser opens the address.
async function answer(app, browser, url) {
  const called = app.next();
  await browser.walk(url, []);
  return Object.fromEntries((await called).searchParams);
}

// management asks the management API with a token that is bound to the key.
async function management(config, DPoP) {
  const tokens = await oidc.clientCredentialsGrant(config, {}, { DPoP });
  const url = new URL(given.api_path, given.issuer);
  const bound = await oidc.fetchProtectedResource(config, tokens.access_token, url, 'GET', undefined, undefined, { DPoP });
  return {
    token_type: tokens.token_type,
    bound: bound.status,
    as_bearer: await failure(() => oidc.fetchProtectedResource(config, tokens.access_token, url, 'GET')),
    without_proof: await failure(() => oidc.clientCredentialsGrant(config)),
  };
}

async function failure(attempt) {
  try {
    await attempt();
    return { ok: true };
  } catch (error) {
    const challenge = Array.isArray(error.cause) ? error.cause[0] : undefined;
    return { ok: false, status: error.status, error: error.error ?? challenge?.parameters?.error, scheme: challenge?.scheme, message: error.message };
  }
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n${error.cause ? JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause)) : ''}\n`);
  process.exitCode = 1;
});
