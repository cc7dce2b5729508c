import type { Announcer } from '../announcer.ts';
import { isCutOff } from '../client/live-updates.ts';
import { el, fill, svg } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState, PageValues } from '../page-state.ts';
import { printable } from '../printable.ts';
import { ago, counted } from '../time-words.ts';
import { searchBox } from './search-box.ts';
import { themeNow } from './theme.ts';

/** Name, what is watched, search, what came in by itself, how the page stands with the server, theme. */
export function showHeader(
  header: HTMLElement,
  state: PageState,
  control: PageControl,
  announcer: Announcer,
  toggleTheme: () => string,
): void {
  const watching = el('span', { class: 'watching' });
  const live = el('span', { class: 'live' });
  const news = newsButton(state, control, announcer);
  const theme = el('button', {
    type: 'button',
    class: 'quiet-button',
    onclick: () => {
      announcer.say(`${toggleTheme()} theme`);
      nameTheme();
    },
  });
  const signOut = el(
    'button',
    { type: 'button', class: 'quiet-button', hidden: true, onclick: () => control.signOut() },
    'Sign out',
  );
  const nameTheme = () => {
    const next = themeNow() === 'dark' ? 'light' : 'dark';
    fill(theme, themeIcon(next), el('span', {}, next === 'dark' ? 'Dark' : 'Light'));
    theme.setAttribute('aria-label', `Switch to the ${next} theme`);
  };
  nameTheme();
  fill(
    header,
    el('div', { class: 'brand' }, logo(), el('h1', {}, 'nanoseg'), watching),
    searchBox(control),
    el('div', { class: 'header-end' }, news, live, theme, signOut),
  );
  state.watch(['session'], ({ session }) => {
    signOut.hidden = session === undefined || !control.canSignOut;
    if (session === undefined) return fill(watching);
    const workloads = session.namespaces.reduce((sum, namespace) => sum + namespace.workloads, 0);
    const seen = `${counted(session.namespaces.length, 'namespace')}, ${counted(workloads, 'workload')}`;
    const parts = [`as ${printable(session.user)}`, session.hidden ? `${seen} that you may see` : seen];
    fill(
      watching,
      el('span', { class: 'strong' }, printable(session.watching)),
      el('span', { class: 'quiet' }, parts.join(' · ')),
    );
  });
  let said: string | undefined;
  state.watch(['live'], (values) => {
    const { text, kind } = liveWords(values);
    live.dataset['live'] = kind;
    fill(live, el('span', { class: 'live-dot', 'aria-hidden': 'true' }), text);
    if (said !== undefined && said !== kind) announcer.say(`connection: ${text}`);
    said = kind;
  });
  setInterval(() => {
    const { live: now } = state.now;
    if (isCutOff(now)) live.lastChild?.replaceWith(liveWords(state.now).text);
  }, 1000);
}

function liveWords({ live }: PageValues): { readonly kind: string; readonly text: string } {
  switch (live.kind) {
    case 'connecting':
      return { kind: live.kind, text: 'connecting' };
    case 'live':
      return { kind: live.kind, text: 'live' };
    case 'reconnecting':
      return { kind: live.kind, text: 'reconnecting' };
    case 'disconnected':
      return { kind: live.kind, text: disconnectedWords(ago(live.since, Date.now())) };
    case 'signed-out':
      return { kind: live.kind, text: 'not signed in' };
  }
}

function disconnectedWords(since: string): string {
  return since === 'now' ? 'disconnected' : `disconnected for ${since}`;
}

/** Changes are said aloud at most so often. */
const announceEveryMs = 4000;

/** How much changed by itself; opening it says what, and begins to count anew. */
function newsButton(state: PageState, control: PageControl, announcer: Announcer): HTMLElement {
  let saidAt = 0;
  let told = 0;
  const count = el('span', { class: 'badge', hidden: true });
  const since = el('span', { class: 'unseen' });
  const list = el('div', { class: 'popover', id: 'news', popover: 'auto', role: 'dialog', 'aria-label': 'Changes' });
  const button = el(
    'button',
    { type: 'button', class: 'quiet-button', popovertarget: 'news' },
    'Changes ',
    count,
    since,
  );
  let shown: readonly string[] = [];
  list.addEventListener('beforetoggle', (event) => {
    if ((event as ToggleEvent).newState !== 'open') return;
    shown = [...state.now.news, ...shown].slice(0, 50);
    const items = shown.map((item) => el('li', {}, printable(item)));
    fill(
      list,
      items.length === 0 ? el('p', {}, 'Nothing has changed since you opened this page.') : el('ul', {}, ...items),
    );
    control.readNews();
  });
  state.watch(['news'], ({ news }) => {
    count.hidden = news.length === 0;
    count.textContent = `${news.length}`;
    if (news.length > told && Date.now() - saidAt > announceEveryMs) {
      saidAt = Date.now();
      announcer.say(news.length - told > 1 ? `${news.length} changes` : (news[0] ?? ''));
    }
    told = news.length;
    since.textContent = news.length === 0 ? ': none since you looked' : ' since you looked';
  });
  return el('div', { class: 'news' }, button, list);
}

function logo(): SVGElement {
  return svg(
    'svg',
    { viewBox: '0 0 24 24', width: 24, height: 24, 'aria-hidden': 'true', class: 'logo' },
    svg('rect', { width: 24, height: 24, rx: 6, class: 'logo-back' }),
    svg('path', { d: 'M7.5 17.5v-11l9 11v-11', class: 'logo-line' }),
    svg('circle', { cx: 7.5, cy: 6.5, r: 2.2, class: 'logo-dot' }),
    svg('circle', { cx: 16.5, cy: 17.5, r: 2.2, class: 'logo-dot' }),
  );
}

function themeIcon(theme: string): SVGElement {
  const moon = svg('path', { d: 'M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z', fill: 'currentColor' });
  const sun = svg('path', {
    d: 'M8 4.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4zM8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.5 1.5M11.5 11.5L13 13M3 13l1.5-1.5M11.5 4.5L13 3',
    fill: 'none',
    stroke: 'currentColor',
    'stroke-width': 1.4,
  });
  return svg(
    'svg',
    { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' },
    theme === 'dark' ? moon : sun,
  );
}
