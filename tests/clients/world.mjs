// What the served model has, asked of the server itself, so that the same requests fit every model.

export const base = process.env.NPINF_URL ?? '';

/**
 * Sends one request without any client; answers the body.
 * @param {string} path @param {object} [body] @param {Record<string, string>} [headers] @returns {Promise<any>}
 */
export async function plain(path, body, headers = {}) {
  const response = await fetch(base + path, {
    method: body ? 'POST' : 'GET',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Names a source of the model with its layer, and how wide the residual stream is. */
export async function describe() {
  const capabilities = await plain('/v1/capabilities');
  /** @type {{ sources: { id: string }[] }} */
  const { sources } = await plain('/v1/provenance');
  const raw = await plain('/v1/activation/raw', { prompts: ['a'], layers: [0] });
  const source = sources[0]?.id ?? '';
  return {
    model: String(capabilities.model),
    source,
    sourceSet: source.slice(source.indexOf('-') + 1),
    hook: 'blocks.1.hook_resid_post',
    width: Number(raw.results[0].activations[0].values[0].length),
  };
}

/**
 * A value without its nulls: clients turn them into absent fields.
 * @param {any} value @returns {any}
 */
export function compact(value) {
  if (Array.isArray(value)) return value.map(compact);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== null && v !== undefined).map(([k, v]) => [k, compact(v)]));
}
