import test from 'ava';
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

/** Markup that would say so in the page's title if anything took it for markup, and an override of the direction of text. */
const markup = '"><img src=x onerror="document.title=`owned`"><script>document.title=`owned`</script>';
const hostile = `${markup}\u202Etxt.exe`;
const world = { namespace: undefined, pod: undefined, labels: undefined, reserved: 'world' as const };

/** The client of the flow is that address outside of the cluster, known by that name. */
function outsideLine(ip: string, dnsName: string, minute: number): string {
  const line = JSON.parse(flowLine('shop/web > shop/cart 8080', minute)) as Record<string, unknown>;
  return `${JSON.stringify({ ...line, server: { ip, dnsNames: [dnsName], ...world } })}\n`;
}

const flows = [0, 1, 2].flatMap((minute) => [
  flowLine('shop/web > shop/cart 8080', minute),
  flowLine('shop/cart > shop/db 5432', minute),
]);

let controller: PageController;
let browser: TestBrowser;

if (browserMissing === undefined) {
  test.before(async () => {
    controller = await PageController.on({
      'cluster/shop.yaml': ['web', 'cart', 'db', 'mail'].map((name) => deployment('shop', name)).join(''),
      'profiles/nanoseg-system/default.yaml': profile,
      'flows/a.jsonl': flows.join(''),
    });
    [browser] = await Promise.all([TestBrowser.start(), controller.start({ proposals: 3 })]);
  });
  test.after.always(async () => {
    await browser?.close();
    await controller?.close();
  });
}

pageTest('what comes in is drawn, announced and counted, and moves nothing that one reads', async (t) => {
  const opened = await browser.open(`${controller.url}#/proposals/shop/deployment-db`);
  const { page } = opened;
  await opened.drawn();
  await page.locator('.live', { hasText: 'live' }).waitFor();
  t.is(await page.locator('#table-connections .grid-body [role=row]').count(), 2);
  await page.getByRole('tab', { name: 'YAML' }).click();
  const code = page.getByRole('region', { name: 'Policies as YAML' });
  await code.focus();
  const body = page.locator('.panel-body');
  await body.evaluate((element) => element.scrollTo({ top: 90 }));
  const digest = (await page.locator('.summary .digest').textContent()) ?? '';
  await controller.write('flows/b.jsonl', [0, 1].map((minute) => flowLine('shop/db > shop/mail 25', minute)).join(''));
  await page.getByRole('row', { name: /shop\/db shop\/mail TCP 25/ }).waitFor();
  // the proposal that is read became another one, and is told so where it is read
  await page.locator('.summary .digest', { hasNotText: digest }).waitFor();
  t.is(await body.evaluate((element) => element.scrollTop), 90);
  t.true(await code.evaluate((element) => element.matches(':focus')));
  t.regex((await code.textContent()) ?? '', /port: 25/);
  await page.getByRole('button', { name: /^Changes \d+ since you looked/ }).click();
  await page.getByRole('dialog', { name: 'Changes' }).getByText('1 new pair talks').waitFor();
  t.regex((await page.locator('.tables-head').textContent()) ?? '', /3 connections$/);
  await opened.screenshot('live-changes');
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('names, reasons and texts of strangers are text, whatever they look like', async (t) => {
  await controller.write('flows/c.jsonl', [0, 1].map((minute) => outsideLine('203.0.113.9', hostile, minute)).join(''));
  const opened = await browser.open(`${controller.url}#/proposals/shop/deployment-cart`);
  const { page } = opened;
  await opened.drawn();
  await page.getByRole('tab', { name: /Workloads and others/ }).click();
  const row = page.getByRole('row', { name: /onerror/ });
  await row.waitFor();
  t.true(((await row.textContent()) ?? '').includes(`${markup}\uFFFDtxt.exe`));
  await row.click();
  await page.getByRole('heading', { name: /onerror/ }).waitFor();
  await opened.screenshot('hostile-names');
  await page.getByRole('combobox', { name: 'Search' }).fill('onerror');
  await page.locator('.hits').getByText('onerror').waitFor();
  await page.goto(`${controller.url}#/proposals/shop/deployment-cart`);
  await page.getByRole('button', { name: 'Approve…' }).click();
  await page.getByLabel('Reason, for the audit log').fill(hostile);
  await page.getByRole('button', { name: 'Approve this digest' }).click();
  await page.getByText(/Done: enforced/).waitFor();
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await page.goto(`${controller.url}#/nodes/${encodeURIComponent(`workload:${hostile}`)}`);
  await page.getByText('It is not in the graph that the filters leave.').waitFor();
  t.is(await page.title(), 'nanoseg');
  t.is(await page.locator('img, script:not([src])').count(), 0);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('a page that is opened while nobody answers the API says so, and tries again', async (t) => {
  const opened = await browser.open(controller.url, {
    prepare: async (asked) => void (await asked.route('**/api/v1/**', (route) => route.abort('connectionrefused'))),
  });
  const { page } = opened;
  opened.tolerate(/Failed to load resource/);
  await page.getByRole('heading', { name: 'nanoseg does not answer' }).waitFor();
  await opened.screenshot('no-answer');
  t.deepEqual(await opened.accessibilityFaults(), []);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'nanoseg does not answer' }).waitFor();
  await page.unroute('**/api/v1/**');
  await opened.drawn();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('without WebGL the tables are there, and it is said', async (t) => {
  const opened = await browser.open(controller.url, {
    prepare: async (asked) =>
      void (await asked.addInitScript(`{
        const real = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
          return kind.includes('webgl') ? null : real.call(this, kind, ...rest);
        };
      }`)),
  });
  const { page } = opened;
  await page.getByRole('heading', { name: 'No picture here' }).waitFor();
  await page.getByRole('row', { name: /shop\/web shop\/cart TCP 8080/ }).click();
  await page.getByText('shop/Deployment/web > shop/Deployment/cart TCP 8080').waitFor();
  t.deepEqual(await opened.accessibilityFaults(), []);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});
