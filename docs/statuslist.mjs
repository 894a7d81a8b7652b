// Checks an access token of a support session offline, and asks the status list
// whether its session has ended. Only what every Node.js has.
//
//   node statuslist.mjs ISSUER AUDIENCE ACCESS_TOKEN     prints valid, or why not
import { createPublicKey, verify } from "node:crypto";
import { inflateSync } from "node:zlib";

const [issuer, audience, token] = process.argv.slice(2);
const json = (part) => JSON.parse(Buffer.from(part, "base64url"));
const get = async (url) => {
  const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer;
};

// Keep the keys and look again at an unknown kid, or after five minutes.
const { jwks_uri } = await (await get(`${issuer}/.well-known/openid-configuration`)).json();
const { keys } = await (await get(jwks_uri)).json();

function open(jwt, typ) {
  const [head, payload, signature] = jwt.split(".");
  const { alg, kid, typ: is } = json(head);
  const jwk = keys.find((key) => key.kid === kid);
  if (alg !== "ES256" || is !== typ || !jwk) throw new Error("not a token of this kind");
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  if (!verify("sha256", Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, "base64url"))) throw new Error("bad signature");
  return json(payload);
}

const now = () => Date.now() / 1000;
const claims = open(token, "at+jwt");
if (claims.iss !== issuer || claims.aud !== audience || claims.exp <= now()) throw new Error("not for us, or expired");

// The list is the same for every token that names it: keep it for ttl seconds, and
// use it until exp where no newer one can be had. After exp, refuse.
const { idx, uri } = claims.status.status_list;
if (!uri.startsWith(`${issuer}/status/`)) throw new Error("another's list");
const list = open(await (await get(uri)).text(), "statuslist+jwt");
if (list.sub !== uri || list.exp <= now() || list.status_list.bits !== 1) throw new Error("not the list");
const bits = inflateSync(Buffer.from(list.status_list.lst, "base64url"));
if (idx >= bits.length * 8) throw new Error("not in the list");
console.log((bits[idx >> 3] >> (idx & 7)) & 1 ? "ended" : "valid");
