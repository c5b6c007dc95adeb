// One request for every operation that the published clients know, as plain camelCase JSON.

const prompt = 'Once upon a time there was a cat.';

/** @param {string} model */
function steering(model) {
  return {
    model,
    steerMethod: /** @type {const} */ ('SIMPLE_ADDITIVE'),
    normalizeSteering: false,
    types: /** @type {('STEERED' | 'DEFAULT')[]} */ (['STEERED', 'DEFAULT']),
    nCompletionTokens: 6,
    temperature: 0,
    strengthMultiplier: 1,
    freqPenalty: 0,
    seed: 16,
    nLogprobs: 2,
  };
}

/** @param {Awaited<ReturnType<typeof import('./world.mjs').describe>>} world */
export function requests(world) {
  const { model, source, sourceSet, hook, width } = world;
  const selection = { sourceSet, selectedSources: [source], sortByTokenIndexes: [1], ignoreBos: true, numResults: 3 };
  const vector = Array.from({ length: width }, (_, i) => (i % 5) - 2);
  const features = [{ model, source, index: 3, strength: 10 }];
  return {
    '/v1/tokenize': { model, text: prompt, prependBos: true },
    '/v1/activation/single': { prompt, model, source, index: '3' },
    '/v1/activation/single-batch': { prompts: [prompt, 'A dog.'], model, vector, hook },
    '/v1/activation/all': { prompt, model, ...selection },
    '/v1/activation/all-batch': { prompts: [prompt, 'A dog.'], model, ...selection },
    '/v1/activation/topk-by-token': { prompt, model, source, topK: 2, ignoreBos: true },
    '/v1/activation/topk-by-token-batch': { prompts: [prompt], model, source, topK: 2, ignoreBos: false },
    '/v1/activation/source': { prompts: [prompt], model, source },
    '/v1/util/sae-vector': { model, source, index: 3 },
    '/v1/util/sae-topk-by-decoder-cossim': { feature: { model, source, index: 3 }, model, source, numResults: 3 },
    '/v1/steer/completion': { prompt, features, ...steering(model) },
    '/v1/steer/completion-chat': {
      prompt: [{ role: 'user', content: 'Hello' }],
      steerSpecialTokens: false,
      vectors: [{ steeringVector: vector, strength: 1, hook }],
      ...steering(model),
    },
  };
}

/**
 * Whether a model without a chat template refused a conversation, and said so.
 * @param {string} path @param {number} status @param {string} text
 */
export function refusesChat(path, status, text) {
  return path === '/v1/steer/completion-chat' && status === 400 && text.includes('chat template');
}
