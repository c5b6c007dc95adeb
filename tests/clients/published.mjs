// The client from npm, with nothing but a default header, calls every method it has. What it reads
// must be what npinf answers to a plain request.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { base, compact, describe, plain } from './world.mjs';
import { refusesChat, requests } from './requests.mjs';

const { Configuration, DefaultApi } = createRequire(import.meta.url)('neuronpedia-inference-client');
const api = new DefaultApi(new Configuration({ basePath: base + '/v1', headers: { 'X-Npinf-Case': 'snake' } }));

/** activationSinglePost for /v1/activation/single. */
const methodOf = (path) => path.slice('/v1/'.length).replace(/[/-](.)/g, (_, letter) => letter.toUpperCase()) + 'Post';

/** The name of a method's only argument is one of two: the generator avoids a name that a schema has. */
const argumentsOf = (method, body) => new Proxy({}, { get: (_, name) => (String(name).endsWith('Request') ? body : undefined) });

const bodies = Object.fromEntries(Object.entries(requests(await describe())).map(([path, body]) => [methodOf(path), { path, body }]));
const methods = Object.getOwnPropertyNames(DefaultApi.prototype).filter((name) => name.endsWith('Post'));
assert.deepEqual(methods.sort(), Object.keys(bodies).sort(), 'the methods of the client');

for (const method of methods) {
  const { path, body } = bodies[method];
  try {
    const read = await api[method](argumentsOf(method, body));
    assert.deepEqual(compact(read), compact(await plain(path, body)), method);
  } catch (error) {
    const refusal = error.response && (await error.response.clone().text());
    if (!refusal || !refusesChat(path, error.response.status, refusal)) throw error;
  }
}
console.log(`npm client: ${methods.length} methods`);
