// oidc-provider as the bench measures it: everything in memory, one page to
// sign in. It is given one JSON argument:
//
//   {"port": n, "client": {"id", "secret", "redirect_uri"}, "jwks": {"keys": [...]}, "alg": "ES256"}
//
// and ends when its standard input does.

import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const given = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${given.port}`;

// What the provider keeps. Nothing is written anywhere.
class Memory {
  static kept = new Map();
  static grants = new Map(); // grantId → keys, to take back what belongs together

  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    Memory.kept.set(key, { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
    if (payload.uid) Memory.kept.set(`uid:${payload.uid}`, { payload: id, until: Infinity });
    if (payload.grantId) {
      const of = Memory.grants.get(payload.grantId) ?? [];
      of.push(key);
      Memory.grants.set(payload.grantId, of);
    }
  }

  async find(id) {
    const found = Memory.kept.get(this.key(id));
    return found && found.until > Date.now() ? found.payload : undefined;
  }

  async findByUid(uid) {
    const found = Memory.kept.get(`uid:${uid}`);
    return found && this.find(found.payload);
  }

  async findByUserCode() {}

  async destroy(id) {
    Memory.kept.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of Memory.grants.get(grantId) ?? []) Memory.kept.delete(key);
    Memory.grants.delete(grantId);
  }

  async consume(id) {
    const found = Memory.kept.get(this.key(id));
    if (found) found.payload.consumed = Math.floor(Date.now() / 1000);
  }
}

const provider = new Provider(issuer, {
  adapter: Memory,
  clients: [
    { client_id: given.once, grant_types: ['authorization_code', 'client_credentials'] },
    { client_id: given.offline, grant_types: ['authorization_code', 'refresh_token', 'client_credentials'] },
  ].map((client) => ({
    ...client,
    client_secret: given.secret,
    redirect_uris: [given.redirect_uri],
    id_token_signed_response_alg: given.alg,
  })),
  jwks: given.jwks,
  cookies: { keys: ['only for the bench'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'), // as the broker does
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // Nobody is asked for consent, as at the broker.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
});

function read(request) {
  return new Promise((resolve, reject) => {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', () => resolve(new URLSearchParams(text)));
    request.on('error', reject);
  });
}

const page = (action) => `<!DOCTYPE html><title>Sign in</title>
<form method="post" action="${action}"><input name="login"><input type="password" name="password"><button>Sign in</button></form>`;

// interact shows the form, and signs in whoever has the password.
async function interact(request, response) {
  if (request.method === 'GET') {
    await provider.interactionDetails(request, response);
    response.setHeader('content-type', 'text/html');
    response.end(page(request.url));
    return;
  }
  const form = await read(request);
  if (form.get('password') !== given.secret) throw new Error('wrong password');
  await provider.interactionFinished(request, response, { login: { accountId: form.get('login') } });
}

const callback = provider.callback();
const server = createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    callback(request, response);
    return;
  }
  interact(request, response).catch((error) => {
    response.statusCode = 400;
    response.end(String(error));
  });
});
server.listen(given.port, '127.0.0.1');

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
