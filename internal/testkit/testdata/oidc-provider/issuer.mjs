// An OpenID Provider built on oidc-provider, for the tests of connectors. It is
// given one JSON argument:
//
//   {"methods": [...], "id_token_claims": bool, "clients": [...],
//    "people": {"<login>": {"<claim>": ...}}, "jwks": {"keys": [...]}}
//
// methods are the ways in which clients may authenticate; id_token_claims puts
// all claims into ID tokens, where the standard has them at userinfo only; jwks
// has the private keys that it signs with. It prints one line of JSON with its issuer, shows the library's own pages, and
// ends when its standard input does.

import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';

const given = JSON.parse(process.argv[2]);

const configuration = {
  clients: given.clients,
  clientAuthMethods: given.methods,
  conformIdTokenClaims: !given.id_token_claims,
  jwks: given.jwks,
  // Some issuers let a client choose a signature that its secret makes.
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'HS256'] },
  cookies: { keys: ['only for tests'] },
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
    support: ['groups', 'level', 'https://northwind.example/role', 'account.id', 'account'],
  },
  // A client whose name ends in -tenant is only served with the parameter.
  extraParams: {
    tenant(ctx, value, client) {
      if (client.clientId.endsWith('-tenant') && value !== 'northwind') {
        throw new errors.InvalidRequest('which tenant?');
      }
    },
  },
  pkce: { required: () => true },
  findAccount: (ctx, id) =>
    given.people[id] && { accountId: id, claims: () => ({ sub: id, ...given.people[id] }) },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(JSON.stringify({ issuer }));
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
