// stream.js: one EventSource per browser.
//
// The tab that holds the Web Lock listens to the server and tells the others by
// BroadcastChannel; when it goes, the next one takes over from the last number
// it saw. Every tab gets every message through on_message({kind, ...}):
//   {kind: 'event', ev}            durable, numbered
//   {kind: 'live', type, data}     snapshot | delta | progress
//   {kind: 'link', link}           connecting | live | lost
//   {kind: 'tab', ...}             what another tab did
// Without locks (plain http on a foreign host) each tab listens for itself.

const TYPES = ['message', 'plan', 'tool_call', 'tool_result', 'source', 'question', 'card', 'approval_request', 'approval_result',
  'order', 'hand_over', 'memory', 'artefact', 'notice', 'error', 'turn_done'];
const LIVE_TYPES = ['snapshot', 'delta', 'progress'];
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

export function stream_open({ name, cursor, running, on_message }) {
  const channel = new BroadcastChannel(name);
  let leads = false, source = null, attempt = 0, timer = 0, link = 'connecting', hidden_since = 0;

  const tell = (msg) => {
    channel.postMessage(msg);
    on_message(msg);
  };
  const set_link = (next) => {
    link = next;
    tell({ kind: 'link', link });
  };

  function connect() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(`/api/events?after=${cursor}`);
    source.onopen = () => {
      attempt = 0;
      set_link('live');
    };
    source.onerror = () => {
      source.close();
      set_link('lost');
      clearTimeout(timer);
      timer = setTimeout(connect, RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)]);
    };
    for (const type of TYPES) {
      source.addEventListener(type, (m) => {
        // EventSource's own connection error is an `error` without data.
        if (typeof m.data !== 'string') return;
        const ev = JSON.parse(m.data);
        if (ev.n <= cursor) return;
        cursor = ev.n;
        tell({ kind: 'event', ev });
      });
    }
    for (const type of LIVE_TYPES) {
      source.addEventListener(type, (m) => tell({ kind: 'live', type, data: JSON.parse(m.data) }));
    }
  }

  channel.onmessage = ({ data: msg }) => {
    if (msg.kind === 'hello') {
      if (!leads) return;
      for (const data of running()) channel.postMessage({ kind: 'live', type: 'snapshot', data });
      channel.postMessage({ kind: 'link', link });
    } else if (msg.kind === 'resync') {
      if (leads) connect();
    } else {
      if (msg.kind === 'event') cursor = Math.max(cursor, msg.ev.n);
      on_message(msg);
    }
  };

  const lead = () => {
    leads = true;
    connect();
    return new Promise(() => {});   // for as long as the tab lives
  };
  if (navigator.locks) {
    navigator.locks.request(`${name}-stream`, lead);
    channel.postMessage({ kind: 'hello' });
  } else {
    lead();
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) hidden_since = Date.now();
    else if (leads && link !== 'live' && Date.now() - hidden_since > 3000) connect();
  });
  window.addEventListener('online', () => { if (leads && link !== 'live') connect(); });

  return {
    resync() { if (leads) connect(); else channel.postMessage({ kind: 'resync' }); },
    tell_tabs(msg) { channel.postMessage({ kind: 'tab', ...msg }); },
  };
}
