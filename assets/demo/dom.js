// How this page makes its elements. Nobody's text is ever parsed as HTML: strings become text nodes.

/** `h('a', { href, onclick }, 'text', element)`. Attributes and children that are null or false are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value != null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export const button = (label, onclick, attributes = {}) =>
  h('button', { type: 'button', onclick, ...attributes }, label);

export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

const HUES = 8;

/** The user's picture, or an initial on one of a few colours that stays the user's own. */
export function avatar({ id, name, avatar: url }) {
  if (url) {
    return h('img', { class: 'avatar', src: url, alt: '', loading: 'lazy', referrerpolicy: 'no-referrer' });
  }
  const hue = [...id].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 9973, 7) % HUES;
  const [initial = '?'] = name.trim();
  return h('span', { class: 'avatar', 'data-hue': hue, 'aria-hidden': 'true' }, initial.toUpperCase());
}

/** The user's name, isolated from the text around it, whatever its direction. */
export const nameOf = ({ name }) => h('bdi', { class: 'author' }, name);

/** A mark of who may speak for the site, or of a guest, who may take any name. Null for other readers. */
export function badge({ isGuest, role }) {
  const label = isGuest ? 'guest' : { AUTHOR: 'author', MODERATOR: 'moderator' }[role];
  return label ? h('span', { class: 'badge', 'data-testid': 'badge' }, label) : null;
}

const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'short' });

function ago(instant) {
  const seconds = (Date.now() - Date.parse(instant)) / 1000;
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? [];
  return unit ? relative.format(-Math.floor(seconds / length), unit) : 'just now';
}

/** An instant as people say it, "5 minutes ago", kept true while it is on the page. */
export function time(instant) {
  return h('time', { datetime: instant, title: exact.format(new Date(instant)) }, ago(instant));
}

setInterval(() => {
  for (const element of document.querySelectorAll('time')) element.textContent = ago(element.dateTime);
}, 20_000);
