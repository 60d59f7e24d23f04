// icons.jsx: one path each, 20 x 20, drawn with the text's colour.

const PATHS = {
  plus: 'M10 4v12M4 10h12',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h8',
  close: 'M5 5l10 10M15 5L5 15',
  send: 'M10 16V4.5M5 9.5l5-5 5 5',
  stop: 'M6 6h8v8H6z',
  down: 'M10 4v12M5 11l5 5 5-5',
  chevron: 'M7.5 5l5 5-5 5',
  trash: 'M4 6h12M8 6V4.2h4V6M5.5 6l.8 10h7.4l.8-10M8.5 9v4.5M11.5 9v4.5',
  search: 'M9 15a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM13.5 13.5L17 17',
  tag: 'M3.5 10.2V4.5a1 1 0 0 1 1-1h5.7l6.3 6.3a1 1 0 0 1 0 1.4l-5.3 5.3a1 1 0 0 1-1.4 0zM7 7h.01',
  cart: 'M2.5 4h2l2 9h8l2-6.5H5.2M8 16.5h.01M13.5 16.5h.01',
  box: 'M3.5 6.5L10 3l6.5 3.5v7L10 17l-6.5-3.5zM3.5 6.5L10 10l6.5-3.5M10 10v7',
  user: 'M10 10a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 10 10zM4 16.5c.6-3 3-4.5 6-4.5s5.4 1.5 6 4.5',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  alert: 'M10 3.5l7 12.5H3zM10 8.5v3.5M10 14h.01',
  info: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.5v4M10 6.8h.01',
  clock: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4.2l2.8 1.6',
  truck: 'M2.5 5.5h9v8h-9zM11.5 8.5h3.3l2.7 2.7v2.3h-6zM5.5 15.5h.01M14.5 15.5h.01',
  star: 'M10 3.2l2.1 4.3 4.7.7-3.4 3.3.8 4.7-4.2-2.2-4.2 2.2.8-4.7-3.4-3.3 4.7-.7z',
  shield: 'M10 3l6 2.2v4.3c0 3.7-2.5 6.2-6 7.5-3.5-1.3-6-3.8-6-7.5V5.2zM7.4 9.9l2 2 3.4-3.8',
  bulb: 'M7.5 15h5M8.5 17.2h3M10 3a5 5 0 0 1 2.8 9.1V13H7.2v-.9A5 5 0 0 1 10 3z',
  sun: 'M10 13.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM10 2.5v1.8M10 15.7v1.8M2.5 10h1.8M15.7 10h1.8M4.7 4.7L6 6M14 14l1.3 1.3M4.7 15.3L6 14M14 6l1.3-1.3',
  moon: 'M16 11.8A6.5 6.5 0 0 1 8.2 4 6.5 6.5 0 1 0 16 11.8z',
  half: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 3v14M10 6.5h5.6M10 10h7M10 13.5h5.6',
  globe: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM3 10h14M10 3c2.2 2 3 4.4 3 7s-.8 5-3 7c-2.2-2-3-4.4-3-7s.8-5 3-7z',
  copy: 'M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3',
  wallet: 'M3.5 6.5h13v9h-13zM3.5 6.5l9-3v3M13.5 11h.01',
  home: 'M3.5 9L10 3.5 16.5 9v7.5h-4.5v-4.5H8v4.5H3.5z',
};

export function Icon({ name, size = 18 }) {
  return (
    <svg class={`icon icon-${name}`} width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor"
      stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Door({ size = 28 }) {
  return (
    <svg class="door" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="door-wall" width="32" height="32" rx="8" />
      <path d="M9 26V12a7 7 0 0 1 14 0v14" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" />
      <path d="M13 26V13.2l6-2.2v15z" fill="#fff" />
    </svg>
  );
}
