import { PageController } from '../support/page-controller.ts';
import { TestBrowser } from '../support/page-browser.ts';
import { deployment, flowLine } from '../support/tiny-shop.ts';
import { type Bench, type Figure, spread } from './measure.ts';

const namespaces = 60;
const workloadsEach = 50;
const workloads = namespaces * workloadsEach;
const connections = 30_000;
const rounds = 5;

/** Nothing is proposed: what is measured is the page. */
const profile = `apiVersion: nanoseg.io/v1alpha1
kind: SegmentationProfile
metadata: { namespace: nanoseg-system, name: default }
spec: { mode: observe, approvals: { identity: Claimed } }
`;

export const bench: Bench = {
  name: 'page',
  title: `the page in Chromium, on the example and on ${workloads} workloads with ${connections} connections`,
  async run() {
    const browser = await TestBrowser.start();
    try {
      return [...(await onExample(browser)), ...(await onLarge(browser))];
    } finally {
      await browser.close();
    }
  },
};

async function onExample(browser: TestBrowser): Promise<Figure[]> {
  const controller = await PageController.onExample();
  try {
    await controller.start({ proposals: 17 });
    return [seconds('example: interactive', await opened(browser, controller), 2)];
  } finally {
    await controller.close();
  }
}

async function onLarge(browser: TestBrowser): Promise<Figure[]> {
  const names = Array.from({ length: workloads }, (_, i) => name(i));
  const controller = await PageController.on({
    'cluster/all.yaml': names.map(({ namespace, workload }) => deployment(namespace, workload)).join(''),
    'profiles/nanoseg-system/default.yaml': profile,
    'flows/a.jsonl': Array.from({ length: connections }, (_, i) => line(i)).join(''),
  });
  try {
    await controller.start({ connections, withinMs: 240_000 });
    return [
      seconds('large: interactive', await opened(browser, controller), 5),
      seconds('large: open a namespace', await openedNamespace(browser, controller), undefined),
    ];
  } finally {
    await controller.close();
  }
}

function name(i: number) {
  return { namespace: `team-${i % namespaces}`, workload: `app-${Math.floor(i / namespaces)}` };
}

/** Most talk within their namespace, some with the next one. */
function line(i: number): string {
  const client = i % workloads;
  const step = 1 + Math.floor(i / workloads);
  const server = (client + (step < 8 ? step * namespaces : step * namespaces + 1)) % workloads;
  const [from, to] = [name(client), name(server)];
  return flowLine(`${from.namespace}/${from.workload} > ${to.namespace}/${to.workload} 8080`);
}

/** Seconds from the address to the answer to a click: the graph is drawn, and a pair of it is shown. */
async function opened(browser: TestBrowser, controller: PageController): Promise<number[]> {
  return repeated(async () => {
    const start = performance.now();
    const page = await browser.open(controller.url);
    await page.drawn();
    await page.page.locator('#table-connections .grid-body [role=row]').first().click();
    await page.page.getByRole('heading', { name: 'Connections of a pair' }).waitFor();
    const took = performance.now() - start;
    await page.close();
    return took;
  });
}

/** Seconds from the click to the picture with the workloads of a namespace. */
async function openedNamespace(browser: TestBrowser, controller: PageController): Promise<number[]> {
  return repeated(async () => {
    const page = await browser.open(`${controller.url}#/groups/namespace%3Ateam-7`);
    await page.drawn();
    const drawn = await page.page.getAttribute('#canvas', 'data-drawn');
    const start = performance.now();
    await page.page.getByRole('button', { name: 'Open this group' }).click();
    await page.page.waitForSelector(`#canvas:not([data-drawn="${drawn}"])`);
    const took = performance.now() - start;
    await page.close();
    return took;
  });
}

/** The first time warms up and is not counted. */
async function repeated(measure: () => Promise<number>): Promise<number[]> {
  await measure();
  const values: number[] = [];
  for (let i = 0; i < rounds; i++) values.push((await measure()) / 1000);
  return values;
}

function seconds(what: string, values: readonly number[], most: number | undefined): Figure {
  const bar = most === undefined ? undefined : { text: `under ${most} s`, met: spread(values).median < most };
  return { what, values, unit: 's', baseline: undefined, bar };
}
