// model.mjs: a model that says what the test says, behind an OpenAI-compatible API. For browser tests of the real
// program that are about the page and the shops, not about a model.
import { createServer } from 'node:http';

// Its plan is one search for query, or talk.
export async function scripted_model({ query }) {
  const reply = (body) => {
    const schema = body.response_format?.json_schema.schema;
    if (!schema) return '好的。';
    const does = schema.properties.do.enum, tools = schema.properties.steps.items.anyOf.map((x) => x.properties.tool.const);
    const searches = tools.includes('search_offers') && does.length === 1;
    return JSON.stringify({ do: does[0], steps: [searches ? { tool: 'search_offers', what: query } : { tool: 'talk' }] });
  };
  const server = createServer(async (req, res) => {
    let raw = '';
    for await (const part of req) raw += part;
    const content = reply(JSON.parse(raw));
    const chunk = (choice) => `data: ${JSON.stringify({ choices: choice ? [choice] : [], ...(choice ? {} : { usage: { prompt_tokens: 10, completion_tokens: 5 } }) })}\n\n`;
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    res.write(chunk({ index: 0, delta: { content }, finish_reason: null }));
    res.write(chunk({ index: 0, delta: {}, finish_reason: 'stop' }));
    res.end(`${chunk(null)}data: [DONE]\n\n`);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { args: ['--base-url', `http://127.0.0.1:${server.address().port}/v1`, '--model-name', 'scripted'], stop: () => { server.closeAllConnections(); server.close(); } };
}
