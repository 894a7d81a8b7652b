// The app's redirect URI: a server that hands over the URLs it is called with.

import { createServer } from 'node:http';

export async function listen(redirectURI) {
  const waiting = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, redirectURI);
    response.end('You may close this window.');
    if (url.pathname === redirectURI.pathname) waiting.shift()?.(url);
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
