// The app's redirect URI: a server that hands over what it is called with, a URL or,
// for response_mode=form_post, a request.

import { createServer } from 'node:http';

export async function listen(redirectURI) {
  const waiting = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, redirectURI);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.end('You may close this window.');
    if (url.pathname !== redirectURI.pathname) return;
    const { method, headers } = request;
    const posted = method === 'POST' && new Request(url, { method, body: Buffer.concat(chunks), headers: { 'content-type': headers['content-type'] } });
    waiting.shift()?.(posted || url);
  });
  server.keepAliveTimeout = 1;
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(redirectURI.port), redirectURI.hostname, resolve);
  });
  return {
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
