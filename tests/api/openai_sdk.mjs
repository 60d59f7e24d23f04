// The official JS SDK against a running server: node openai_sdk.mjs BASE_URL. Ends with `N passed, N failed`.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'none', maxRetries: 0 });
const model = (await client.models.list()).data[0].id;
const ask = [{ role: 'user', content: 'Say hello.' }];
const tool = {
  type: 'function',
  function: {
    name: 'get_weather', description: 'Weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const cases = {
  async 'a whole answer'() {
    const r = await client.chat.completions.create({ model, messages: ask, max_tokens: 8, temperature: 0 });
    assert.equal(r.object, 'chat.completion');
    assert.ok(r.choices[0].message.content.length > 0);
    assert.equal(r.usage.total_tokens, r.usage.prompt_tokens + r.usage.completion_tokens);
  },
  async 'a stream gives the same text and a usage'() {
    const args = { model, messages: ask, max_tokens: 8, temperature: 0 };
    const whole = await client.chat.completions.create(args);
    let text = '', usage = null, finish = null;
    for await (const chunk of await client.chat.completions.create({ ...args, stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta?.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(finish, whole.choices[0].finish_reason);
    assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  },
  async 'a required tool call fits its schema'() {
    const r = await client.chat.completions.create({
      model, messages: [{ role: 'user', content: 'Weather in Paris?' }], tools: [tool], tool_choice: 'required', temperature: 0,
    });
    const call = r.choices[0].message.tool_calls[0];
    assert.equal(r.choices[0].finish_reason, 'tool_calls');
    assert.equal(call.function.name, 'get_weather');
    assert.equal(typeof JSON.parse(call.function.arguments).city, 'string');
  },
  async 'a streamed tool call'() {
    let name = '', args = '';
    for await (const chunk of await client.chat.completions.create({
      model, messages: [{ role: 'user', content: 'Weather in Paris?' }], tools: [tool], tool_choice: 'required', parallel_tool_calls: false, temperature: 0, stream: true,
    })) {
      for (const call of chunk.choices[0]?.delta?.tool_calls ?? []) {
        name += call.function?.name ?? '';
        args += call.function?.arguments ?? '';
      }
    }
    assert.equal(name, 'get_weather');
    assert.equal(typeof JSON.parse(args).city, 'string');
  },
  async 'an error has its class'() {
    await assert.rejects(client.chat.completions.create({ model: 'nothing', messages: ask }),
      (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found');
    await assert.rejects(client.chat.completions.create({ model, messages: ask, n: 2 }), OpenAI.BadRequestError);
  },
  async 'completions'() {
    const r = await client.completions.create({ model, prompt: '1 2 3 4', max_tokens: 4, temperature: 0 });
    assert.equal(r.object, 'text_completion');
    assert.ok(r.choices[0].text.length > 0);
  },
  async 'a stream can be left'() {
    const stream = await client.chat.completions.create({
      model, messages: [{ role: 'user', content: 'Count to one thousand.' }], stream: true, max_tokens: 4000,
    });
    for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
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
