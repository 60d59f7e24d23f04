import { useState } from 'preact/hooks';
import { t } from '../i18n.js';
import { Door } from '../icons.jsx';

// Takes "http://127.0.0.1:1/?token=abc", "token=abc" or "abc".
export function token_of(text) {
  const m = /[?&]?token=([^&#\s]+)/.exec(text);
  return m ? m[1] : text.trim();
}

export function SignIn() {
  const [text, set_text] = useState('');
  const used = new URLSearchParams(location.search).has('token');
  const submit = (e) => {
    e.preventDefault();
    const token = token_of(text);
    if (token) location.assign(`/?token=${encodeURIComponent(token)}`);
  };
  return (
    <main class="signin" id="main">
      <form class="signin-box" onSubmit={submit}>
        <Door size={44} />
        <h1>{t('signin_title')}</h1>
        {used && <p class="note note-warning" role="alert">{t('signin_used')}</p>}
        <p>{t('signin_text')}</p>
        <label class="field"><span>{t('signin_token')}</span>
          <input class="input" value={text} onInput={(e) => set_text(e.target.value)} autocomplete="off" spellcheck={false} autofocus />
        </label>
        <button class="button button-main" type="submit">{t('signin_go')}</button>
        <p class="signin-again">{t('signin_again')} <code>./up</code></p>
      </form>
    </main>
  );
}
