import { render } from 'preact';
import { boot, error_text, route_read } from './actions.js';
import { ApiError } from './api.js';
import { changed, state, toast } from './store.js';
import { App } from './views/app.jsx';
import './keys.js';

async function start(attempt = 0) {
  try {
    await boot();
  } catch (err) {
    if (err instanceof ApiError && err.status === 401) return;
    if (!(err instanceof ApiError)) throw err;
    if (attempt === 0) toast(error_text(err));
    state.link = 'lost';
    changed();
    setTimeout(() => start(attempt + 1), 3000);
  }
}

route_read();
render(<App />, document.getElementById('app'));
start();
