"""/v1/responses and /v1/messages with the official SDKs of OpenAI and Anthropic, Python and JS, on the real 0.5B model."""
import json
import pathlib
import subprocess

import anthropic
import openai
import pytest

from rukou import ROOT, served

NO_SHOP = ("--shops", "http://127.0.0.2:1")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "name": "get_weather", "description": "Weather of a city", "parameters": SCHEMA, "strict": False}
TOOL = {"name": "get_weather", "description": "Weather of a city", "input_schema": SCHEMA}
COLD = {"temperature": 0}  # which this SDK has no argument for
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"],
          "additionalProperties": False}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("forms") / "d", *NO_SHOP) as s:
        yield s


@pytest.fixture(scope="module")
def oai(server):
    return openai.OpenAI(base_url=f"{server.origin}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def model(oai):
    return oai.models.list().data[0].id


@pytest.fixture(scope="module")
def ant(server):
    return anthropic.Anthropic(base_url=server.origin, api_key="none", max_retries=0)


@pytest.fixture
def respond(oai, model):
    return lambda input="Say hello.", **kw: oai.responses.create(**{"model": model, "input": input, "temperature": 0, "max_output_tokens": 24} | kw)


@pytest.fixture
def say(ant, model):
    def call(content="Say hello.", **kw):
        messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
        return ant.messages.create(**{"model": model, "messages": messages, "extra_body": COLD, "max_tokens": 24} | kw)
    return call


# ---- responses ----

def test_a_response_says_what_chat_completions_say(oai, model, respond):
    r = respond(instructions="You answer in one word.", metadata={"a": "b"})
    chat = oai.chat.completions.create(model=model, temperature=0, max_tokens=24, messages=[
        {"role": "system", "content": "You answer in one word."}, {"role": "user", "content": "Say hello."}])
    assert r.status == "completed" and r.output_text == chat.choices[0].message.content
    assert [item.type for item in r.output] == ["message"] and r.output[0].content[0].annotations == []
    assert r.usage.input_tokens == chat.usage.prompt_tokens and r.usage.total_tokens == r.usage.input_tokens + r.usage.output_tokens
    assert r.instructions == "You answer in one word." and r.metadata == {"a": "b"} and r.error is None


def test_a_cut_response_is_incomplete(respond):
    r = respond("Count to one hundred.", max_output_tokens=4)
    assert r.status == "incomplete" and r.incomplete_details.reason == "max_output_tokens"
    assert r.output[0].status == "incomplete" and r.usage.output_tokens == 4


def test_events_of_a_response(oai, model, respond):
    whole = respond()
    with oai.responses.stream(model=model, input="Say hello.", temperature=0, max_output_tokens=24) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text and final.status == "completed"
    raw = [e for e in events]
    assert [e.sequence_number for e in raw] == sorted(e.sequence_number for e in raw)
    types = [e.type for e in raw]
    for a, b in zip(["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
                     "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"], dict.fromkeys(types)):
        assert a == b
    assert "".join(e.delta for e in raw if e.type == "response.output_text.delta") == whole.output_text


def test_a_function_call_and_its_output(respond):
    r = respond("Weather in Paris?", tools=[FUNCTION], tool_choice="required", parallel_tool_calls=False)
    call = r.output[-1]
    assert call.type == "function_call" and call.name == "get_weather" and isinstance(json.loads(call.arguments)["city"], str)
    history = [{"role": "user", "content": "Weather in Paris?"}, *[item.model_dump() for item in r.output],
               {"type": "function_call_output", "call_id": call.call_id, "output": "{\"celsius\": 21}"}]
    after = respond(history, tools=[FUNCTION], tool_choice="none")
    assert "21" in after.output_text
    linked = respond([{"type": "function_call_output", "call_id": call.call_id, "output": "{\"celsius\": 21}"}], tools=[FUNCTION], tool_choice="none",
                     previous_response_id=r.id)
    assert linked.output_text == after.output_text and linked.previous_response_id == r.id


def test_a_streamed_function_call(oai, model):
    kw = {"model": model, "input": "Weather in Paris?", "tools": [FUNCTION], "tool_choice": "required", "parallel_tool_calls": False, "temperature": 0}
    events = list(oai.responses.create(**kw, stream=True))
    done = next(e for e in events if e.type == "response.function_call_arguments.done")
    assert "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta") == done.arguments
    added = next(e.item for e in events if e.type == "response.output_item.added" and e.item.type == "function_call")
    assert (added.name, added.status, added.arguments) == ("get_weather", "in_progress", "")
    assert events[-1].response.output[-1].arguments == done.arguments


def test_structured_output(respond):
    r = respond("Anna is 31 years old. Who is she?", max_output_tokens=60, text={"format": {"type": "json_schema", "name": "person", "schema": PERSON, "strict": True}})
    person = json.loads(r.output_text)
    assert set(person) == {"name", "age"} and person["age"] == 31


def test_log_probabilities_of_a_response(respond):
    r = respond(include=["message.output_text.logprobs"], top_logprobs=2)
    entries = r.output[0].content[0].logprobs
    assert "".join(e.token for e in entries).startswith(r.output_text[:4]) and len(entries[0].top_logprobs) == 2


def test_responses_are_kept_and_forgotten(oai, respond):
    first = respond("My name is Ada. Say only: noted.")
    assert oai.responses.retrieve(first.id).output_text == first.output_text
    second = respond("What is my name?", previous_response_id=first.id)
    assert "Ada" in second.output_text
    oai.responses.delete(first.id)
    for gone in (first.id, respond(store=False).id, "resp_nothing"):
        with pytest.raises(openai.NotFoundError):
            respond("And now?", previous_response_id=gone)


@pytest.mark.parametrize("bad, part", [
    ({"tools": [{"type": "web_search"}]}, "web_search"), ({"input": []}, "input"), ({"truncation": "auto"}, "truncation"), ({"background": True}, "background"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input_image"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "item_reference"), ({"temperature": 3}, "temperature"), ({"conversation": "c"}, "conversation")])
def test_what_a_response_cannot_do_is_named(respond, bad, part):
    with pytest.raises(openai.BadRequestError, match=part):
        respond(**bad)


# ---- messages ----

def test_a_message_says_what_chat_completions_say(oai, model, say):
    r = say(system=[{"type": "text", "text": "You answer in one word."}])
    chat = oai.chat.completions.create(model=model, temperature=0, max_tokens=24, messages=[
        {"role": "system", "content": "You answer in one word."}, {"role": "user", "content": "Say hello."}])
    assert (r.type, r.role, r.stop_reason, r.stop_sequence) == ("message", "assistant", "end_turn", None)
    assert r.content[0].text == chat.choices[0].message.content
    assert r.usage.input_tokens + r.usage.cache_read_input_tokens == chat.usage.prompt_tokens and r.usage.output_tokens > 0


def test_why_a_message_stops(say):
    assert say("Count to one hundred.", max_tokens=4).stop_reason == "max_tokens"
    r = say("Count from 1 to 9, separated by commas.", stop_sequences=["nothing", "4"])
    assert (r.stop_reason, r.stop_sequence) == ("stop_sequence", "4") and "4" not in r.content[0].text


def test_events_of_a_message(ant, model, say):
    whole = say()
    kw = {"model": model, "messages": [{"role": "user", "content": "Say hello."}], "extra_body": COLD, "max_tokens": 24}
    with ant.messages.stream(**kw) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == whole.content[0].text
    assert final.stop_reason == whole.stop_reason and final.usage.output_tokens == whole.usage.output_tokens
    types = [e.type for e in ant.messages.create(**kw, stream=True)]
    assert list(dict.fromkeys(types)) == ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]


def test_a_tool_and_its_result(ant, model, say):
    kw = {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    r = say("Weather in Paris?", **kw)
    use = r.content[-1]
    assert r.stop_reason == "tool_use" and (use.type, use.name) == ("tool_use", "get_weather") and isinstance(use.input["city"], str)
    with ant.messages.stream(model=model, messages=[{"role": "user", "content": "Weather in Paris?"}], extra_body=COLD, max_tokens=60, **kw) as stream:
        assert stream.get_final_message().content[-1].input == use.input
    history = [{"role": "user", "content": "Weather in Paris?"}, {"role": "assistant", "content": [b.model_dump() for b in r.content]},
               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "{\"celsius\": 21}"}]},
                                            {"type": "text", "text": "How warm is it?"}]}]
    assert "21" in say(history, tools=[TOOL], tool_choice={"type": "none"}).content[0].text


def test_tokens_are_counted(ant, model, say):
    n = ant.messages.count_tokens(model=model, messages=[{"role": "user", "content": "Say hello."}]).input_tokens
    usage = say().usage
    assert n == usage.input_tokens + usage.cache_read_input_tokens


@pytest.mark.parametrize("bad, error, part", [
    ({"messages": []}, anthropic.BadRequestError, "messages"), ({"model": "nothing"}, anthropic.NotFoundError, "nothing"),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, anthropic.BadRequestError, "last"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, anthropic.BadRequestError, "image"),
    ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, anthropic.BadRequestError, "web_search"), ({"extra_body": {"temperature": 9}}, anthropic.BadRequestError, "temperature")])
def test_what_a_message_cannot_do_is_named(ant, model, bad, error, part):
    with pytest.raises(error, match=part) as e:
        ant.messages.create(**{"model": model, "messages": [{"role": "user", "content": "a"}], "max_tokens": 8} | bad)
    assert e.value.body["type"] == "error" and e.value.body["error"]["type"] in ("invalid_request_error", "not_found_error")


def test_js_sdk(server):
    node = ROOT / "web/node.sh"
    subprocess.run([node, "deps", "all"], check=True, timeout=300)
    p = subprocess.run([node, "node", str(pathlib.Path(__file__).with_name("forms_sdk.mjs")), server.origin], capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert p.returncode == 0, p.stdout + p.stderr
    assert "6 passed, 0 failed" in p.stdout
