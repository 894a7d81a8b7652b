// Runs a sample of the documentation for a test. It is given one JSON argument,
// {"path", "env"}, and then lines {"call", "with"}: a function and what to call it
// with. It answers each by a line: {"value"} or {"status", "message"}.

import { createInterface } from 'node:readline';

const given = JSON.parse(process.argv[2]);
Object.assign(process.env, given.env);
const sample = await import(given.path);

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const answer = await (async () => sample[asked.call](asked.with))().then(
    (value) => ({ value }),
    (error) => ({ status: error.status ?? 0, message: `${error}` }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
