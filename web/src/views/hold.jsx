import { Component } from 'preact';

const HOLD_MS = 1000;

// A button that acts only after being held: by finger, mouse or the space bar.
// Enter does nothing. A click without pointer or key is an assistive device
// pressing it, which is already its second, separate act.
export class HoldButton extends Component {
  state = { held: false };

  componentWillUnmount() { clearTimeout(this.timer); }

  start = () => {
    if (this.props.busy || this.timer) return;
    this.setState({ held: true });
    this.timer = setTimeout(() => { this.end(); this.props.on_held(); }, HOLD_MS);
  };
  end = () => {
    clearTimeout(this.timer);
    this.timer = 0;
    this.setState({ held: false });
  };
  pointer = (e) => {
    if (e.button !== 0) return;
    this.touched = true;
    e.currentTarget.setPointerCapture(e.pointerId);
    this.start();
  };
  key_down = (e) => {
    if (e.key !== 'Enter' && e.key !== ' ') return;
    e.preventDefault();
    this.touched = true;
    if (e.key === ' ' && !e.repeat) this.start();
  };
  key_up = (e) => {
    if (e.key !== ' ') return;
    e.preventDefault();
    this.end();
  };
  click = (e) => {
    const assistive = e.isTrusted && e.detail === 0 && !this.touched;
    this.touched = false;
    if (assistive && !this.props.busy) this.props.on_held();
  };

  render({ label, holding, busy }, { held }) {
    return (
      <button type="button" class={`button button-main hold ${held ? 'held' : ''}`} data-do="pay" aria-disabled={busy}
        onPointerDown={this.pointer} onPointerUp={this.end} onPointerCancel={this.end} onBlur={this.end}
        onKeyDown={this.key_down} onKeyUp={this.key_up} onClick={this.click} onContextMenu={(e) => e.preventDefault()}>
        <span class="hold-fill" aria-hidden="true" />
        <span class="hold-label">{busy ? <span class="spinner" /> : null}{held ? holding : label}</span>
      </button>
    );
  }
}
