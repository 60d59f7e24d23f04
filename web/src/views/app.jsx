import { Component } from 'preact';
import { subscribe, state, dismiss_toast, changed } from '../store.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.jsx';
import { Rail } from './rail.jsx';
import { Chat } from './chat.jsx';
import { Orders } from './orders.jsx';
import { Profile } from './profile.jsx';
import { ReceiptSheet } from './sheet.jsx';
import { SignIn } from './signin.jsx';
import { Dialog } from './dialog.jsx';

function title_now() {
  const { view, chat_id } = state.route;
  if (view !== 'chat') return `${t(view)} · rukou 入口`;
  const name = chat_id && (state.models.get(chat_id)?.title || state.chats.find((c) => c.id === chat_id)?.title);
  return name ? `${name} · rukou 入口` : 'rukou 入口';
}

function TopBar() {
  const { route, session, models, chats } = state;
  const chat = route.chat_id && (models.get(route.chat_id) ?? chats.find((c) => c.id === route.chat_id));
  const heading = route.view === 'chat' ? (chat?.title ?? '') : t(route.view);
  return (
    <header class="topbar">
      <button class="icon-button only-narrow" aria-label={t('open_list')} onClick={() => { state.rail_open = true; changed(); }}><Icon name="menu" size={20} /></button>
      <h1 class="topbar-title">{heading}</h1>
      {session?.sandbox && <span class="pill pill-sandbox" title={t('sandbox_long')}>{t('sandbox')}</span>}
    </header>
  );
}

function LinkBar() {
  if (!state.session || state.link === 'live') return <div class="linkbar-place" role="status" />;
  const shown = state.link === 'lost';
  return <div class="linkbar-place" role="status">{shown && <div class="linkbar"><span class="spinner" />{t('link_lost')}</div>}</div>;
}

const VIEWS = { chat: Chat, orders: Orders, receipt: ReceiptSheet, profile: Profile };

export class App extends Component {
  componentDidMount() { this.off = subscribe(() => this.forceUpdate()); }
  componentWillUnmount() { this.off(); }

  render() {
    document.title = title_now();
    if (state.signed_out) return <SignIn />;
    const View = VIEWS[state.route.view];
    return (
      <div class={`app ${state.rail_open ? 'rail-open' : ''}`}>
        <a class="skip" href="#main">{t('skip')}</a>
        <Rail />
        <div class="column">
          <TopBar />
          <LinkBar />
          <View key={`${state.route.view}/${state.route.chat_id ?? state.route.order_id ?? ''}`} />
        </div>
        <div class="toasts" role="alert">
          {state.toasts.map((x) => (
            <div key={x.id} class={`toast toast-${x.level}`}>
              <Icon name={x.level === 'error' ? 'alert' : 'check'} />
              <span>{x.text}</span>
              <button class="icon-button" aria-label={t('close')} onClick={() => dismiss_toast(x.id)}><Icon name="close" size={16} /></button>
            </div>
          ))}
        </div>
        <div class="sr-only" role="status">{state.announcement}</div>
        {state.dialog && <Dialog {...state.dialog} />}
      </div>
    );
  }
}
