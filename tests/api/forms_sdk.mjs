// The official JS SDKs against /v1/responses and /v1/messages of a running server: node forms_sdk.mjs ORIGIN. Ends with `N passed, N failed`.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const origin = process.argv[2];
const oai = new OpenAI({ baseURL: `${origin}/v1`, apiKey: 'none', maxRetries: 0 });
const ant = new Anthropic({ baseURL: origin, apiKey: 'none', maxRetries: 0 });
const model = (await oai.models.list()).data[0].id;
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const hello = { model, input: 'Say hello.', temperature: 0, max_output_tokens: 24 };
const ask = { model, messages: [{ role: 'user', content: 'Say hello.' }], temperature: 0, max_tokens: 24 };

const cases = {
  async 'a response and its stream'() {
    const whole = await oai.responses.create(hello);
    assert.equal(whole.status, 'completed');
    const stream = oai.responses.stream(hello);
    let text = '';
    for await (const e of stream) if (e.type === 'response.output_text.delta') text += e.delta;
    assert.equal(text, whole.output_text);
    assert.equal((await stream.finalResponse()).output_text, text);
  },
  async 'a function call of a response'() {
    const r = await oai.responses.create({
      ...hello, input: 'Weather in Paris?', tool_choice: 'required', parallel_tool_calls: false,
      tools: [{ type: 'function', name: 'get_weather', description: 'Weather of a city', parameters: schema, strict: false }],
    });
    assert.equal(r.output.at(-1).type, 'function_call');
    assert.equal(typeof JSON.parse(r.output.at(-1).arguments).city, 'string');
  },
  async 'a conversation by previous_response_id'() {
    const first = await oai.responses.create({ ...hello, input: 'My name is Ada. Say only: noted.' });
    const second = await oai.responses.create({ ...hello, input: 'What is my name?', previous_response_id: first.id });
    assert.match(second.output_text, /Ada/);
  },
  async 'a message and its stream'() {
    const whole = await ant.messages.create(ask);
    assert.equal(whole.stop_reason, 'end_turn');
    const stream = ant.messages.stream(ask);
    let text = '';
    stream.on('text', (delta) => { text += delta; });
    assert.equal((await stream.finalMessage()).content[0].text, whole.content[0].text);
    assert.equal(text, whole.content[0].text);
  },
  async 'a tool of a message'() {
    const r = await ant.messages.create({
      ...ask, messages: [{ role: 'user', content: 'Weather in Paris?' }], tool_choice: { type: 'tool', name: 'get_weather' },
      tools: [{ name: 'get_weather', description: 'Weather of a city', input_schema: schema }],
    });
    assert.equal(r.stop_reason, 'tool_use');
    assert.equal(typeof r.content.at(-1).input.city, 'string');
  },
  async 'an error has its class'() {
    await assert.rejects(ant.messages.create({ ...ask, model: 'nothing' }), Anthropic.NotFoundError);
    await assert.rejects(oai.responses.create({ ...hello, model: 'nothing' }), OpenAI.NotFoundError);
  },
};

let passed = 0, failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    passed++;
  } catch (e) {
    failed++;
    console.error(`FAIL ${name}: ${e.stack}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
