#include "eval/try.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "json/json.h"
#include "net/digest.h"

enum { PATH_BYTES = 4096, COMPILE_MS = 30000, BROWSER_MS = 120000, MAX_OUTPUT_BYTES = 8 << 20 };

static bool write_file(const char *path, rk_str text) {
  FILE *f = fopen(path, "w");
  bool ok = f && fwrite(text.p, 1, text.n, f) == text.n;
  if (f) ok = fclose(f) == 0 && ok;
  return ok;
}

/* Runs argv with its output in files; its exit status, -1: not started, ended by a signal, or stopped after ms. */
static int run(char *const argv[], const char *out, const char *err, int64_t ms) {
  extern char **environ;
  posix_spawn_file_actions_t io;
  pid_t pid;
  int status = -1;
  posix_spawn_file_actions_init(&io);
  posix_spawn_file_actions_addopen(&io, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&io, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&io, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawnattr_t attr; /* a group of its own: a browser is many processes */
  posix_spawnattr_init(&attr);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
  int failed = posix_spawnp(&pid, argv[0], &io, &attr, argv, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&io);
  if (failed) return -1;
  int64_t until_ms = rk_mono_ms() + ms;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (rk_mono_ms() > until_ms) {
      kill(-pid, SIGKILL);
      waitpid(pid, &status, 0);
      return -1;
    }
    rk_sleep_ms(20);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool make_place(const char *dir, const char *name, char *path, size_t size) {
  int n = snprintf(path, size, "%s/%s", dir, name);
  return n > 0 && (size_t)n < size && (mkdir(path, 0700) == 0 || errno == EEXIST);
}

/* The first line of a file that has the word in it, else the first line. */
static void first_line(const char *path, const char *word, char *said, size_t size) {
  struct rk_buf text;
  rk_buf_init(&text, MAX_OUTPUT_BYTES);
  rk_str line = {0}, rest = {0}, kept = {0};
  if (rk_buf_read_file(&text, path, NULL) == RK_OK) rest = rk_buf_str(&text);
  while (rest.n) {
    rk_str_cut(rest, '\n', &line, &rest);
    if (!kept.n || rk_str_find(line, rk_str_c(word)) >= 0) kept = line;
    if (rk_str_find(kept, rk_str_c(word)) >= 0) break;
  }
  rk_utf8_copy(said, size, kept);
  rk_buf_release(&text);
}

bool rk_try_compile_c(rk_str source, const char *dir, char *said, size_t size) {
  char place[PATH_BYTES], code[PATH_BYTES + 16], object[PATH_BYTES + 16], out[PATH_BYTES + 16];
  if (!make_place(dir, "compiled", place, sizeof place)) return snprintf(said, size, "%s cannot be made", dir), false;
  snprintf(code, sizeof code, "%s/answer.c", place);
  snprintf(object, sizeof object, "%s/answer.o", place);
  snprintf(out, sizeof out, "%s/output", place);
  char *argv[] = {(char[]){"cc"}, (char[]){"-std=gnu17"}, (char[]){"-c"}, (char[]){"-o"}, object, code, NULL};
  if (!write_file(code, source)) return snprintf(said, size, "%s cannot be written", code), false;
  if (run(argv, "/dev/null", out, COMPILE_MS) == 0) return true;
  first_line(out, "error", said, size);
  return false;
}

/* ---- apps ---- */

/* What a page may not say: it would load something. Strings of JavaScript that are no address stay free. */
static const char *loads(rk_str html) {
  static const char *const bad[] = {"src=\"http", "src='http", "src=\"//", "href=\"http", "href='http", "href=\"//", "@import", "url(http", "url('http", "url(\"http",
                                    "fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "importScripts", "sendBeacon", "import("};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (rk_str_find(html, rk_str_c(bad[i])) >= 0) return bad[i];
  return NULL;
}

/* The page is written into a frame of a harness page; errors are heard from its first script on. After one second the driver acts,
 * after five it tells what it saw in the title of the harness. */
static const char harness[] =
    "<!doctype html><meta charset=utf-8><title>running</title><iframe id=f style='width:1000px;height:800px'></iframe><script>\n"
    "const app=JSON.parse(atobUtf8('@PAGE@')), click='@CLICK@', typed=@INPUT@;\n"
    "function atobUtf8(s){return new TextDecoder().decode(Uint8Array.from(atob(s),c=>c.charCodeAt(0)));}\n"
    "const faults=[]; const f=document.getElementById('f'); const d=f.contentDocument; d.open(); const w=f.contentWindow;\n"
    "w.addEventListener('error',e=>faults.push(String(e.message||'something did not load')),true);\n"
    "w.addEventListener('unhandledrejection',e=>faults.push(String(e.reason)));\n"
    "w.alert=w.confirm=w.prompt=()=>null;\n"
    "d.write(app); d.close();\n"
    "const text=()=>[d.body?d.body.innerText:'',...[...d.querySelectorAll('output')].map(o=>o.value)].join('|');\n"
    "const shown=e=>(e.innerText||e.value||e.getAttribute('aria-label')||e.title||'').trim();\n"
    "let changed=null, found=true, before='';\n"
    "function act(){\n"
    "  before=text();\n"
    "  if(click){const re=new RegExp(atobUtf8(click),'i');\n"
    "    const b=[...d.querySelectorAll('button,input[type=button],input[type=submit],[role=button],a')].find(e=>re.test(shown(e)));\n"
    "    found=!!b; if(b) b.click();}\n"
    "  if(typed){const all=[...d.querySelectorAll('input:not([type]),input[type=text],input[type=number],input[type=tel],textarea')]; found=all.length>0;\n"
    "    all.forEach((e,i)=>{e.focus(); e.value=String([70,175,30,12,5][i%5]);\n"
    "      for(const t of ['input','keyup','change']) e.dispatchEvent(new w.Event(t,{bubbles:true}));\n"
    "      e.dispatchEvent(new w.KeyboardEvent('keydown',{key:'Enter',bubbles:true}));});}\n"
    "}\n"
    "const watch=()=>{ if(text()!==before) changed=true; };\n"
    "setTimeout(()=>{act(); watch(); for(let t=200;t<=3500;t+=200) setTimeout(watch,t);},1000);\n"
    "setTimeout(()=>{const n=w.performance.getEntriesByType('resource').length;\n"
    "  document.body.textContent='RESULT:'+btoa(unescape(encodeURIComponent(JSON.stringify({faults,found,changed:!!changed,loaded:n}))))+':END';},5000);\n"
    "</script>\n";

/* A full buffer is seen in its err. */
static void add_base64(struct rk_buf *out, rk_str text) {
  if (rk_base64(out, text)) rk_buf_adds(out, "");
}

/* @PAGE@, @CLICK@ and @INPUT@ in their places. */
static void fill(struct rk_buf *out, rk_str html, const char *click, bool input) {
  json_t *page = json_stringn(html.p, html.n);
  char *quoted = page ? json_dumps(page, JSON_ENCODE_ANY) : NULL;
  const char *rest = harness, *at;
  while ((at = strchr(rest, '@'))) {
    rk_buf_add(out, rest, (size_t)(at - rest));
    if (strncmp(at, "@PAGE@", 6) == 0) add_base64(out, rk_str_c(quoted ? quoted : "\"\"")), rest = at + 6;
    else if (strncmp(at, "@CLICK@", 7) == 0) add_base64(out, rk_str_c(click)), rest = at + 7;
    else if (strncmp(at, "@INPUT@", 7) == 0) rk_buf_adds(out, input ? "true" : "false"), rest = at + 7;
    else rk_buf_addc(out, '@'), rest = at + 1;
  }
  rk_buf_adds(out, rest);
  free(quoted);
  json_decref(page);
}

/* The object that the harness has left in its page; NULL: none. */
static json_t *result_in(const char *path) {
  struct rk_buf dom, text;
  json_t *v = NULL;
  rk_buf_init(&dom, MAX_OUTPUT_BYTES);
  rk_buf_init(&text, MAX_OUTPUT_BYTES);
  if (rk_buf_read_file(&dom, path, NULL) == RK_OK) {
    ptrdiff_t at = rk_str_find(rk_buf_str(&dom), RK_STR(">RESULT:"));
    rk_str rest = at < 0 ? (rk_str){0} : (rk_str){dom.p + at + 8, dom.n - (size_t)at - 8}, coded;
    if (at >= 0 && rk_str_cut(rest, ':', &coded, &rest) && rk_base64_decode(&text, coded) == RK_OK) v = rk_json_parse(rk_buf_str(&text), MAX_OUTPUT_BYTES, NULL);
  }
  rk_buf_release(&dom);
  rk_buf_release(&text);
  return v;
}

bool rk_try_app(rk_str html, const char *click, bool input, const char *dir, char *said, size_t size) {
  char place[PATH_BYTES], page[PATH_BYTES + 32], url[PATH_BYTES + 48], dom[PATH_BYTES + 32], err[PATH_BYTES + 32], profile[PATH_BYTES + 64];
  const char *bad = loads(html);
  if (bad) return snprintf(said, size, "the page loads something: %s", bad), false;
  if (!make_place(dir, "browser", place, sizeof place)) return snprintf(said, size, "%s cannot be made", dir), false;
  snprintf(page, sizeof page, "%s/harness.html", place);
  snprintf(url, sizeof url, "file://%s", page);
  snprintf(dom, sizeof dom, "%s/dom.html", place);
  snprintf(err, sizeof err, "%s/errors", place);
  snprintf(profile, sizeof profile, "--user-data-dir=%s/profile", place);
  struct rk_buf text;
  rk_buf_init(&text, MAX_OUTPUT_BYTES);
  fill(&text, html, click, input);
  bool ok = !text.err && write_file(page, rk_buf_str(&text));
  rk_buf_release(&text);
  if (!ok) return snprintf(said, size, "%s cannot be written", page), false;
  char *argv[] = {(char[]){"chromium"}, (char[]){"--headless"}, (char[]){"--no-sandbox"}, (char[]){"--disable-gpu"}, (char[]){"--disable-dev-shm-usage"},
                  (char[]){"--host-resolver-rules=MAP * ~NOTFOUND"}, (char[]){"--virtual-time-budget=7000"}, profile, (char[]){"--dump-dom"}, url, NULL};
  if (run(argv, dom, err, BROWSER_MS) != 0) return snprintf(said, size, "Chromium did not run; is it installed?"), false;
  json_t *v = result_in(dom), *faults = rk_json_arr(v, "faults");
  ok = false;
  if (!v) snprintf(said, size, "the page never came to its fifth second");
  else if (json_array_size(faults)) snprintf(said, size, "an error in the page: %.200s", json_string_value(json_array_get(faults, 0)));
  else if (rk_json_i64(v, "loaded", 0) > 0) snprintf(said, size, "the page loads something");
  else if (!rk_json_bool(v, "found", false)) snprintf(said, size, "%s", click ? "no button has this name" : "there is no input");
  else if ((click || input) && !rk_json_bool(v, "changed", false)) snprintf(said, size, "its text did not change");
  else ok = true;
  json_decref(v);
  return ok;
}
