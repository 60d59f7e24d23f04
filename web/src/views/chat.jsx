import { Component } from 'preact';
import { state } from '../store.js';
import { chat_load, send } from '../actions.js';
import { turn_waits } from '../model.js';
import { prefs } from '../prefs.js';
import { t } from '../i18n.js';
import { Icon, Door } from '../icons.jsx';
import { Composer } from './composer.jsx';
import { Turn } from './turn.jsx';

const TURNS_SHOWN = 30, NEAR_END_PX = 24;
const TRIES = [['try_1', 'tag'], ['try_2', 'shield'], ['try_3', 'star'], ['try_4', 'truck']];

function Empty({ on_pick }) {
  return (
    <div class="empty">
      <Door size={52} />
      <h2>{t('hello')}</h2>
      <p>{t('hello_sub')}</p>
      <ul class="tries">
        {TRIES.map(([key, icon]) => (
          <li key={key}><button class="try" onClick={() => on_pick(t(key))}><Icon name={icon} /><span>{t(key)}</span></button></li>
        ))}
      </ul>
    </div>
  );
}

// The thread of one chat. Scrolling sticks to the end until the reader goes up.
export class Chat extends Component {
  state = { shown: TURNS_SHOWN, away: false, fill: null };
  sticks = true;
  last_top = 0;

  componentDidMount() {
    this.watch = new ResizeObserver(() => this.stick());
    if (this.inner) this.watch.observe(this.inner);
    this.top_watch = new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) this.earlier(); }, { root: this.scroller, rootMargin: '600px 0px 0px' });
    this.stick();
  }
  componentDidUpdate() {
    if (this.inner && this.observed !== this.inner) { this.watch.observe(this.inner); this.observed = this.inner; }
    if (this.sentinel !== this.watched) {
      if (this.watched) this.top_watch.unobserve(this.watched);
      if (this.sentinel) this.top_watch.observe(this.sentinel);
      this.watched = this.sentinel;
    }
    this.stick();
  }
  componentWillUnmount() { this.watch.disconnect(); this.top_watch.disconnect(); }

  stick() {
    if (this.sticks && this.scroller) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
      this.last_top = this.scroller.scrollTop;
    }
  }
  on_scroll = () => {
    const el = this.scroller, near = el.scrollHeight - el.scrollTop - el.clientHeight <= NEAR_END_PX;
    if (near) this.sticks = true;
    else if (el.scrollTop < this.last_top) this.sticks = false;
    this.last_top = el.scrollTop;
    if (this.state.away === near) this.setState({ away: !near });
  };
  to_end = () => { this.sticks = true; this.stick(); };
  // Unfolding something is reading, not following.
  release = () => { this.sticks = false; };

  earlier = () => {
    const chat = this.chat();
    if (!chat || this.state.shown >= chat.turns.length) return;
    const el = this.scroller, from_end = el.scrollHeight - el.scrollTop;
    this.setState((s) => ({ shown: s.shown + TURNS_SHOWN }), () => {
      if (!this.sticks) el.scrollTop = el.scrollHeight - from_end;
      if (this.sentinel) { this.top_watch.unobserve(this.sentinel); this.top_watch.observe(this.sentinel); }
    });
  };

  chat() { return state.models.get(state.route.chat_id); }

  render(_, { shown, away, fill }) {
    const { chat_id } = state.route;
    const chat = chat_id ? this.chat() : null;
    const turns = chat?.turns ?? [];
    const first = Math.max(0, turns.length - shown);
    const last = turns.at(-1);
    const busy = last && last.state === 'running' && !turn_waits(last) ? last : null;
    return (
      <>
        <main class="scroll" id="main" ref={(el) => { this.scroller = el; }} onScroll={this.on_scroll}>
          {!chat_id && <Empty on_pick={(text) => this.setState({ fill: { text } })} />}
          {chat?.failed && (
            <div class="empty"><p class="note note-warning" role="alert">{chat.failed}</p>
              <button class="button" onClick={() => chat_load(chat_id)}>{t('resend')}</button></div>
          )}
          {chat && (
            <div class="thread" role="log" aria-live="off" aria-label={chat.title} ref={(el) => { this.inner = el; }}>
              {!chat.loaded && !chat.failed && turns.length === 0 && <p class="loading"><span class="spinner" />{t('loading')}</p>}
              {first > 0 && <button class="text-button earlier" ref={(el) => { this.sentinel = el; }} onClick={this.earlier}>{t('earlier')}</button>}
              {turns.slice(first).map((turn) => (
                <Turn key={turn.id} turn={turn} v={turn.v} chat={chat} last={turn === last} busy={turn === last && !!busy} lang={prefs.lang}
                  on_unfold={this.release} on_choose={(text) => { this.to_end(); send(text, chat_id); }} />
              ))}
            </div>
          )}
        </main>
        <div class="dock">
          {away && chat && <button class="jump" aria-label={t('jump_end')} title={t('jump_end')} onClick={this.to_end}><Icon name="down" /></button>}
          <Composer key={chat_id ?? 'new'} chat_id={chat_id} busy_turn={busy?.id} on_sent={this.to_end} fill={fill} />
        </div>
      </>
    );
  }
}
