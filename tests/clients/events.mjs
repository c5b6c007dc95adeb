// Streams, read as events and as lines. Every piece must be JSON.

import assert from 'node:assert/strict';
import { createParser } from 'eventsource-parser';
import { base, describe, plain } from './world.mjs';
import { refusesChat, requests } from './requests.mjs';

async function open(path, body, spelling) {
  const headers = { 'Content-Type': 'application/json', 'X-Npinf-Case': spelling };
  const response = await fetch(base + path, { method: 'POST', headers, body: JSON.stringify({ ...body, stream: true }) });
  if (response.ok) return response;
  const text = await response.text();
  assert.ok(refusesChat(path, response.status, text), `${path}: ${response.status} ${text}`);
}

/** The data of all events of a stream. */
async function events(response) {
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  const frames = [];
  const parser = createParser({
    onEvent: (event) => {
      assert.equal(event.event, undefined, event.data);
      frames.push(JSON.parse(event.data));
    },
    onError: (error) => assert.fail(error.message),
  });
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) parser.feed(chunk);
  return frames;
}

const bodies = requests(await describe());
let pieces = 0;
for (const path of ['/v1/steer/completion', '/v1/steer/completion-chat']) {
  for (const spelling of ['camel', 'snake']) {
    const response = await open(path, bodies[path], spelling);
    if (!response) continue;
    const frames = await events(response);
    assert.ok(frames.length > 1, `${path}: ${frames.length} frames`);
    assert.deepEqual(frames.at(-1), await plain(path, bodies[path], { 'X-Npinf-Case': spelling }), `${path}: the last frame`);
    pieces += frames.length;
  }
}

const lens = await open('/v1/lens/prompt', { model: 'm', type: ['LOGIT_LENS'], prompt: 'A cat', topN: 2, temperature: 0 }, 'camel');
assert.match(lens.headers.get('content-type'), /^application\/x-ndjson/);
const lines = (await lens.text()).trimEnd().split('\n').map((line) => JSON.parse(line));
assert.deepEqual([lines[0].kind, lines[1].kind, lines.at(-1).kind], ['meta', 'prompt', 'done']);
console.log(`streams: ${pieces + lines.length} pieces`);
