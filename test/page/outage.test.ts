import { createServer, type Server } from 'node:http';
import test from 'ava';
import type { Page } from 'playwright-core';
import { Listener } from '../support/http-client.ts';
import { browserMissing, pageTest } from '../support/page-test.ts';
import { TestBrowser } from '../support/page-browser.ts';
import { PageController } from '../support/page-controller.ts';
import { deployment, flowLine } from '../support/tiny-shop.ts';

const profile = `apiVersion: nanoseg.io/v1alpha1
kind: SegmentationProfile
metadata: { namespace: nanoseg-system, name: default }
spec:
  mode: enforce
  approvals: { identity: Claimed }
  learning: { bin: 1m, window: 1s, coverage: 0, bins: 1, loss: 1, startUps: false, cronJobs: false }
  closedNamespace: { propose: false }
`;
const flows = [0, 1, 2].flatMap((minute) => [
  flowLine('shop/web > shop/cart 8080', minute),
  flowLine('shop/cart > shop/db 5432', minute),
]);
const names = ['web', 'cart', 'db'];
/** Longer than the page waits for anything: its clock is put forward instead of waiting. */
const patienceMs = 15_000;
/** What a busy server asks for; more than the page would wait by itself at first. */
const busySeconds = 1;

let controller: PageController;
let browser: TestBrowser;

if (browserMissing === undefined) {
  test.before(async () => {
    controller = await PageController.on({
      'cluster/shop.yaml': [...names, 'mail'].map((name) => deployment('shop', name)).join(''),
      'profiles/nanoseg-system/default.yaml': profile,
      'flows/a.jsonl': flows.join(''),
    });
    [browser] = await Promise.all([TestBrowser.start(), controller.start({ proposals: names.length })]);
  });
  test.after.always(async () => {
    await browser?.close();
    await controller?.close();
  });
}

pageTest(
  'while the server is gone what one reads stays, nothing can be decided, and a restart is caught up',
  async (t) => {
    const opened = await browser.open(`${controller.url}#/proposals/shop/deployment-cart`, { prepare: withClock });
    const { page } = opened;
    await opened.drawn();
    await page.locator('.live', { hasText: 'live' }).waitFor();
    await page.getByRole('tab', { name: 'YAML' }).click();
    await page.getByRole('button', { name: 'Approve…' }).click();
    await page.getByLabel('Reason, for the audit log').fill('half a sentence');
    opened.tolerate(/net::ERR_|ERR_CONNECTION/);
    const listener = await Listener.open(`${controller.url}api/v1/events`);
    const { data } = await listener.hears(({ event }) => event === 'ready');

    await controller.kill();
    await page.locator('.live', { hasText: /reconnecting/ }).waitFor();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Nothing can be decided until nanoseg answers again.').waitFor();
    t.true(await dialog.getByRole('button', { name: 'Approve this digest' }).isDisabled());
    t.is(await page.getByLabel('Reason, for the audit log').inputValue(), 'half a sentence');
    t.deepEqual(await opened.accessibilityFaults(), []);
    await opened.screenshot('dialog-while-disconnected');
    await page.keyboard.press('Escape');
    await page.getByText('Reconnecting: nanoseg does not answer').waitFor();
    await opened.screenshot('reconnecting');
    const approve = page.getByRole('button', { name: 'Approve…' });
    t.is(await approve.getAttribute('aria-disabled'), 'true');
    await page.locator('.because', { hasText: 'nothing can be decided until nanoseg answers again' }).waitFor();
    await approve.click({ force: true });
    t.is(await page.getByRole('dialog').count(), 0);
    await page.clock.fastForward(patienceMs);
    await page.locator('.live', { hasText: /disconnected for/ }).waitFor();
    await page.getByText(/^Not connected: nanoseg does not answer\. This is what was last told/).waitFor();
    t.deepEqual(await opened.accessibilityFaults(), []);
    await opened.screenshot('disconnected');
    t.is(await page.locator('#table-connections .grid-body [role=row]').count(), 2);
    t.is(await page.getByRole('tab', { name: 'YAML' }).getAttribute('aria-selected'), 'true');
    t.regex((await page.getByRole('region', { name: 'Policies as YAML' }).textContent()) ?? '', /kind: NetworkPolicy/);

    await controller.write('flows/b.jsonl', flowLine('shop/mail > shop/web 80'));
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await controller.start({ proposals: names.length });
    // the numbers of the process before mean nothing to the new one
    const again = await Listener.open(`${controller.url}api/v1/events`, { 'Last-Event-ID': data.position });
    t.not((await again.hears(({ event }) => event === 'reset')).data.position, data.position);
    for (const each of [listener, again]) each.close();
    await page.clock.fastForward(patienceMs);
    await page.locator('.live', { hasText: 'live' }).waitFor();
    await page.getByRole('row', { name: /shop\/mail shop\/web TCP 80/ }).waitFor();
    for (const path of ['graph', 'proposals', 'proposals/shop/deployment-cart'])
      t.true(asked.includes(`/api/v1/${path}`), path);
    t.is(await approve.getAttribute('aria-disabled'), null);
    t.true(await page.locator('.stale').isHidden());
    await page.getByRole('tab', { name: 'YAML', selected: true }).waitFor();
    t.regex(page.url(), /#\/proposals\/shop\/deployment-cart$/);
    // a controller that has just begun says that it is not ready
    t.deepEqual(
      opened.problems().filter((problem) => !problem.includes('status of 503')),
      [],
    );
    await opened.close();
  },
);

/** Its time goes on as ever, and can be put forward. */
async function withClock(page: Page): Promise<void> {
  await page.clock.install();
}

/** In the place of the controller: there, and busy with something else. Tells when each path was asked for. */
async function busyServer(port: number, status: number, body: object): Promise<{ server: Server; askedAt: number[] }> {
  const askedAt: number[] = [];
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/api/v1/events') === true) askedAt.push(Date.now());
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Retry-After': `${busySeconds}`,
      Connection: 'close',
    });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { server, askedAt };
}

for (const { status, body } of [
  { status: 503, body: { code: 'NotReady', message: 'the cluster was not read yet' } },
  { status: 429, body: { code: 'TooManyRequests', message: 'too many requests: try again in 2 s' } },
]) {
  pageTest(`a server that answers ${status} is quoted, left alone as long as it wants, and asked again`, async (t) => {
    const opened = await browser.open(controller.url, { prepare: withClock });
    const { page } = opened;
    await opened.drawn();
    await page.locator('.live', { hasText: 'live' }).waitFor();
    opened.tolerate(/net::ERR_|ERR_CONNECTION|status of (503|429)/);
    await controller.kill();
    const { server, askedAt } = await busyServer(controller.port, status, body);
    try {
      await page.getByText(`Reconnecting: ${body.message}`).waitFor();
      // the filter that is chosen now is answered late, and what is drawn stays until then
      await page.getByLabel('Namespace', { exact: true }).selectOption('shop');
      while (askedAt.length < 3) await page.waitForTimeout(100);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    // several requests of one moment may come one after the other where the machine is busy
    t.true((askedAt.at(-1) ?? 0) - (askedAt[0] ?? 0) >= busySeconds * 1_000, askedAt.join());
    t.is(await page.locator('#table-connections .grid-body [role=row]').count(), 3);
    await controller.start({ proposals: names.length });
    await page.clock.fastForward(patienceMs);
    await page.locator('.live', { hasText: 'live' }).waitFor();
    await page.locator('.stale').waitFor({ state: 'hidden' });
    t.is(await page.locator('#table-connections .grid-body [role=row]').count(), 3);
    t.deepEqual(opened.problems(), []);
    await opened.close();
  });
}
