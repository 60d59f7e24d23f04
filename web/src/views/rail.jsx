import { state, changed, server_now_ms } from '../store.js';
import { go, chat_delete } from '../actions.js';
import { prefs, pref_set } from '../prefs.js';
import { t, age } from '../i18n.js';
import { Icon, Door } from '../icons.jsx';

// A link that the page routes itself, and that still opens in a new tab.
export function Link({ to, children, ...rest }) {
  const click = (e) => {
    if (e.metaKey || e.ctrlKey || e.shiftKey || e.button !== 0) return;
    e.preventDefault();
    go(to);
  };
  return <a href={to} onClick={click} {...rest}>{children}</a>;
}

function delete_ask(chat) {
  state.dialog = { title: t('delete_title'), text: t('delete_text', { title: chat.title }), action: t('delete'), run: () => chat_delete(chat.id) };
  changed();
}

function ChatRow({ chat, busy }) {
  const here = state.route.chat_id === chat.id;
  return (
    <li class={`rail-chat ${here ? 'here' : ''}`}>
      <Link to={`/chat/${chat.id}`} class="rail-link" aria-current={here ? 'page' : undefined} title={chat.title}>
        <span class="rail-name">{chat.title || '…'}</span>
        {busy && <span class="dot" role="img" aria-label={t('running')} />}
      </Link>
      <button class="icon-button rail-delete" aria-label={`${t('delete_chat')}: ${chat.title}`} onClick={() => delete_ask(chat)}><Icon name="trash" size={16} /></button>
    </li>
  );
}

function groups(chats) {
  const now = server_now_ms(), list = [];
  for (const chat of chats) {
    const name = age(chat.updated_ms ?? now, now);
    if (list.at(-1)?.name !== name) list.push({ name, chats: [] });
    list.at(-1).chats.push(chat);
  }
  return list;
}

const THEMES = ['auto', 'light', 'dark'], THEME_ICON = { auto: 'half', light: 'sun', dark: 'moon' };

export function Rail() {
  const busy = new Set(state.running.values());
  const next_theme = THEMES[(THEMES.indexOf(prefs.theme) + 1) % THEMES.length];
  const close = () => { state.rail_open = false; changed(); };
  return (
    <>
      <div class="rail-shade" onClick={close} />
      <nav class="rail" aria-label={t('chats')}>
        <div class="rail-top">
          <Link to="/" class="brand"><Door size={28} /><span class="brand-name">rukou<span class="brand-zh">入口</span></span></Link>
          <button class="icon-button only-narrow" aria-label={t('close_list')} onClick={close}><Icon name="close" /></button>
        </div>
        <Link to="/" class="rail-new"><Icon name="plus" />{t('new_chat')}</Link>
        <div class="rail-list">
          {state.session && state.chats.length === 0 && <p class="rail-none">{t('no_chats')}</p>}
          {groups(state.chats).map((g) => (
            <section key={g.name}>
              <h2 class="rail-heading">{g.name}</h2>
              <ul>{g.chats.map((c) => <ChatRow key={c.id} chat={c} busy={busy.has(c.id)} />)}</ul>
            </section>
          ))}
        </div>
        <div class="rail-bottom">
          <Link to="/orders" class={`rail-page ${state.route.view === 'orders' ? 'here' : ''}`}><Icon name="box" />{t('orders')}</Link>
          <Link to="/profile" class={`rail-page ${state.route.view === 'profile' ? 'here' : ''}`}><Icon name="user" />{t('profile')}</Link>
          <div class="rail-prefs">
            <button class="text-button" aria-label={t('language_label')} onClick={() => pref_set('lang', prefs.lang === 'zh' ? 'en' : 'zh')}><Icon name="globe" size={16} />{t('language')}</button>
            <button class="text-button" aria-label={t('theme_label', { now: t(`theme_${prefs.theme}`) })} onClick={() => pref_set('theme', next_theme)}><Icon name={THEME_ICON[prefs.theme]} size={16} />{t(`theme_${prefs.theme}`)}</button>
          </div>
        </div>
      </nav>
    </>
  );
}
