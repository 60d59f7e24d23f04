/* Requests of the OpenAI API: what is understood, and what is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "server/v1_request.h"

static struct rk_v1_request q;
static struct rk_error e;

static rk_err chat(const char *text) {
  return rk_v1_request_chat(&q, rk_json_parse(rk_str_c(text), 65536, &e), "m", &e);
}
static rk_err completion(const char *text) {
  return rk_v1_request_text(&q, rk_json_parse(rk_str_c(text), 65536, &e), "m", &e);
}

static void test_defaults(void **state) {
  assert_int_equal(chat("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"), RK_OK);
  assert_true(q.chat.sampling.temperature == 1 && q.chat.sampling.top_p == 1);
  assert_int_equal(q.chat.n_top_logprobs, -1);
  assert_int_equal(q.chat.max_tokens, 0);
  assert_null(q.chat.tools);
  assert_false(q.stream);
  rk_v1_request_release(&q);
}

static void test_everything(void **state) {
  assert_int_equal(chat("{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                        "{\"type\":\"text\",\"text\":\"b\"}]}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
                        "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":false,"
                        "\"stop\":[\"x\",\"yy\"],\"seed\":7,\"logit_bias\":{\"5\":-100},\"max_completion_tokens\":9,"
                        "\"logprobs\":true,\"top_logprobs\":3,\"stream\":true,\"stream_options\":{\"include_usage\":true}}"), RK_OK);
  const json_t *m = json_array_get(q.chat.messages, 0);
  assert_string_equal(rk_json_cstr(m, "role", ""), "system");
  assert_string_equal(rk_json_cstr(m, "content", ""), "ab");
  assert_int_equal(q.chat.tool_choice, RK_TOOLS_NAMED);
  assert_string_equal(q.chat.tool_name, "f");
  assert_true(q.chat.one_call && q.stream && q.include_usage);
  assert_int_equal(q.chat.n_stop, 2);
  assert_true(rk_str_eq(q.chat.stop[1], RK_STR("yy")));
  assert_int_equal(q.chat.sampling.seed, 7);
  assert_int_equal(q.chat.sampling.bias_ids[0], 5);
  assert_int_equal(q.chat.max_tokens, 9);
  assert_int_equal(q.chat.n_top_logprobs, 3);
  rk_v1_request_release(&q);
}

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static void test_refused_by_name(void **state) {
  static const struct { const char *body, *names; rk_err err; } cases[] = {
      {"[]", "object", RK_EINVAL},
      {"{}", "messages", RK_EINVAL},
      {"{\"messages\":[]}", "messages", RK_EINVAL},
      {"{\"messages\":[{\"role\":\"robot\",\"content\":\"\"}]}", "role", RK_EINVAL},
      {"{\"messages\":[{\"role\":\"user\"}]}", "content", RK_EINVAL},
      {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", "text", RK_EINVAL},
      {"{" USER ",\"model\":\"gpt-9\"}", "gpt-9", RK_ENOMODEL},
      {"{" USER ",\"temperature\":3}", "temperature", RK_EINVAL},
      {"{" USER ",\"temperature\":\"hot\"}", "temperature", RK_EINVAL},
      {"{" USER ",\"n\":2}", "n must", RK_EINVAL},
      {"{" USER ",\"stop\":[\"\"]}", "stop", RK_EINVAL},
      {"{" USER ",\"top_logprobs\":2}", "logprobs", RK_EINVAL},
      {"{" USER ",\"max_tokens\":0}", "max_tokens", RK_EINVAL},
      {"{" USER ",\"logit_bias\":{\"x\":1}}", "logit_bias", RK_EINVAL},
      {"{" USER ",\"response_format\":{\"type\":\"xml\"}}", "response_format", RK_EINVAL},
      {"{" USER ",\"grammar\":5}", "grammar", RK_EINVAL},
      {"{" USER ",\"tools\":[{}]}", "tools[0]", RK_EINVAL},
      {"{" USER ",\"functions\":[{\"name\":\"f\"}]}", "functions", RK_EINVAL},
      {"{" USER ",\"modalities\":[\"text\",\"audio\"]}", "modalities", RK_EINVAL},
      {"{" USER ",\"tools\":[{\"function\":{\"name\":\"f\"}}],\"tool_choice\":{\"function\":{\"name\":\"g\"}}}", "g", RK_EINVAL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    e = (struct rk_error){0};
    assert_int_equal(chat(cases[i].body), cases[i].err);
    if (!strstr(e.msg, cases[i].names)) fail_msg("case %zu: %s does not name %s", i, e.msg, cases[i].names);
    rk_v1_request_release(&q);
  }
}

static void test_completions(void **state) {
  assert_int_equal(completion("{\"prompt\":[\"one\"],\"logprobs\":2}"), RK_OK);
  assert_true(rk_str_eq(q.chat.raw_prompt, RK_STR("one")));
  assert_int_equal(q.chat.max_tokens, 16);
  assert_int_equal(q.chat.n_top_logprobs, 2);
  rk_v1_request_release(&q);
  static const char *const bad[] = {"{}", "{\"prompt\":\"\"}", "{\"prompt\":[\"a\",\"b\"]}", "{\"prompt\":\"a\",\"echo\":true}",
                                    "{\"prompt\":\"a\",\"suffix\":\"b\"}", "{\"prompt\":\"a\",\"best_of\":2}"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(completion(bad[i]), RK_EINVAL);
    rk_v1_request_release(&q);
  }
}

static rk_err form(bool response, const char *text) {
  json_t *body = rk_json_parse(rk_str_c(text), 65536, &e);
  return response ? rk_v1_request_responses(&q, body, NULL, "m", &e) : rk_v1_request_messages(&q, body, "m", &e);
}

static const char *message(size_t i, const char *key) { return rk_json_cstr(json_array_get(q.chat.messages, i), key, ""); }

static void test_messages(void **state) {
  assert_int_equal(form(false, "{\"max_tokens\":9,\"system\":\"s\",\"stop_sequences\":[\"x\"],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},"
                        "\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\"},{\"type\":\"text\",\"text\":\"a\"},"
                        "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{\"k\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
                        "\"tool_use_id\":\"c\",\"content\":\"r\"},{\"type\":\"text\",\"text\":\"b\"}]}],\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],"
                        "\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}}"), RK_OK);
  assert_int_equal(json_array_size(q.chat.messages), 4);
  assert_string_equal(message(0, "role"), "system");
  assert_string_equal(message(1, "content"), "a");
  assert_string_equal(message(2, "tool_call_id"), "c");
  assert_string_equal(message(2, "content"), "r");
  assert_string_equal(message(3, "role"), "user");
  assert_true(q.chat.tool_choice == RK_TOOLS_REQUIRED && q.chat.one_call && q.chat.thinking && q.chat.max_tokens == 9 && q.chat.n_stop == 1);
  rk_v1_request_release(&q);
  assert_int_equal(form(false, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"), RK_EINVAL);
  rk_v1_request_release(&q);
}

static void test_responses(void **state) {
  assert_int_equal(form(true, "{\"instructions\":\"i\",\"max_output_tokens\":5,\"reasoning\":{\"effort\":\"minimal\"},\"input\":[{\"role\":\"user\",\"content\":\"a\"},"
                        "{\"type\":\"reasoning\"},{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"b\"}]},"
                        "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call\",\"call_id\":\"d\","
                        "\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"r\"}]}"), RK_OK);
  assert_int_equal(json_array_size(q.chat.messages), 4);
  assert_string_equal(message(2, "content"), "b");
  assert_int_equal(json_array_size(rk_json_arr(json_array_get(q.chat.messages, 2), "tool_calls")), 2);
  assert_string_equal(message(3, "tool_call_id"), "c");
  assert_true(!q.chat.thinking && q.chat.max_tokens == 5);
  rk_v1_request_release(&q);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything),
                                     cmocka_unit_test(test_refused_by_name), cmocka_unit_test(test_completions), cmocka_unit_test(test_messages), cmocka_unit_test(test_responses)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
