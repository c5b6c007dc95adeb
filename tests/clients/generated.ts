// A client generated from openapi.json calls the same operations with the default spelling. The compiler
// has checked every request and every field that is read here against the document.

import assert from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { paths } from './schema.js';
import { base, describe } from './world.mjs';
import { refusesChat, requests } from './requests.mjs';

const client = createClient<paths>({ baseUrl: base });
const bodies = requests(await describe());
let calls = 0;

/** The data of an answer, which must be there. */
function data<T>(path: string, answer: { data?: T; response: Response; error?: unknown }): T {
  assert.ok(answer.response.ok, `${path}: ${answer.response.status} ${JSON.stringify(answer.error)}`);
  assert.ok(answer.data !== undefined, path);
  calls++;
  return answer.data;
}

const health = data('/health', await client.GET('/health'));
assert.equal(health.status, 'healthy');
const provenance = data('/v1/provenance', await client.GET('/v1/provenance'));
assert.equal(typeof provenance.model.repository, 'string');
assert.ok(provenance.sources.length > 0);

const tokens = data('/v1/tokenize', await client.POST('/v1/tokenize', { body: bodies['/v1/tokenize'] }));
assert.equal(tokens.tokens.length, tokens.tokenStrings.length);
assert.equal(typeof tokens.prependBos, 'boolean');

const single = data('/v1/activation/single', await client.POST('/v1/activation/single', { body: bodies['/v1/activation/single'] }));
assert.equal(single.activation.values[single.activation.maxValueIndex], single.activation.maxValue);
assert.equal(single.tokensIsSpecial?.length, single.tokens.length);
const singles = data('/v1/activation/single-batch', await client.POST('/v1/activation/single-batch', { body: bodies['/v1/activation/single-batch'] }));
assert.equal(singles.results.length, 2);
assert.equal(singles.results[0]?.activation.values.length, singles.results[0]?.tokens.length);

const all = data('/v1/activation/all', await client.POST('/v1/activation/all', { body: bodies['/v1/activation/all'] }));
assert.equal(all.activations.length, 3);
assert.equal(all.activations[0]?.source, bodies['/v1/activation/single'].source);
assert.equal(typeof all.activations[0]?.sumValues, 'number');
const alls = data('/v1/activation/all-batch', await client.POST('/v1/activation/all-batch', { body: bodies['/v1/activation/all-batch'] }));
assert.deepEqual(alls.results[0]?.activations.map((a) => a.index), all.activations.map((a) => a.index));

const top = data('/v1/activation/topk-by-token', await client.POST('/v1/activation/topk-by-token', { body: bodies['/v1/activation/topk-by-token'] }));
assert.equal(top.results.length, top.tokens.length);
assert.equal(top.results[0]?.topFeatures.length, 2);
const tops = data('/v1/activation/topk-by-token-batch', await client.POST('/v1/activation/topk-by-token-batch', { body: bodies['/v1/activation/topk-by-token-batch'] }));
assert.equal(tops.results[0]?.results[0]?.tokenPosition, 0);

const fired = data('/v1/activation/source', await client.POST('/v1/activation/source', { body: bodies['/v1/activation/source'] }));
assert.ok(Object.keys(fired.results[0]?.activeFeatures ?? {}).length > 0);

const raw = data('/v1/activation/raw', await client.POST('/v1/activation/raw', { body: { prompts: ['a', 'b c'], layers: [0], hookPoint: 'residual_stream', type: 'final_output_token' } }));
assert.equal(raw.results[1]?.activations[0]?.tokenIndices[0], (raw.results[1]?.tokenIds.length ?? 0) - 1);
const attention = data('/v1/activation/attention', await client.POST('/v1/activation/attention', { body: { prompt: 'a b c', model: 'm', layer: 0, head: 0 } }));
assert.equal(attention.tokens.length, attention.seqLen);

const vector = data('/v1/util/sae-vector', await client.POST('/v1/util/sae-vector', { body: bodies['/v1/util/sae-vector'] }));
assert.match(vector.hookName, /^blocks\.\d+\./);
const near = data('/v1/util/sae-topk-by-decoder-cossim', await client.POST('/v1/util/sae-topk-by-decoder-cossim', { body: bodies['/v1/util/sae-topk-by-decoder-cossim'] }));
assert.equal(near.topkDecoderCossimFeatures?.[0]?.feature?.index, 3);

const steered = data('/v1/steer/completion', await client.POST('/v1/steer/completion', { body: bodies['/v1/steer/completion'] }));
assert.deepEqual(steered.outputs.map((o) => o.type), ['STEERED', 'DEFAULT']);
assert.equal(steered.outputs[0]?.logprobs?.[0]?.topLogprobs?.length, 2);
const answer = await client.POST('/v1/steer/completion-chat', { body: bodies['/v1/steer/completion-chat'] });
if (!refusesChat('/v1/steer/completion-chat', answer.response.status, JSON.stringify(answer.error))) {
  const chat = data('/v1/steer/completion-chat', answer);
  assert.equal(chat.input.chatTemplate[0]?.content, 'Hello');
  assert.ok(chat.outputs[0]?.raw.startsWith(chat.input.raw));
  const template = data('/v1/apply-chat-template', await client.POST('/v1/apply-chat-template', {
    body: { messages: [{ role: 'user', content: 'Hello' }], addGenerationPrompt: true, chatTemplateKwargs: {} },
  }));
  assert.equal(template.prompt, chat.input.raw);
  assert.equal(template.spans.length, template.tokens.length);
}
console.log(`generated client: ${calls} calls`);
