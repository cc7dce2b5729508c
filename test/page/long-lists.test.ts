import test from 'ava';
import { browserMissing, pageTest } from '../support/page-test.ts';
import { TestBrowser } from '../support/page-browser.ts';
import { PageController } from '../support/page-controller.ts';
import { flowLine, tinyShop } from '../support/tiny-shop.ts';

/** More than a page of the API has. */
const tried = 620;
const profile = `apiVersion: nanoseg.io/v1alpha1
kind: SegmentationProfile
metadata: { namespace: nanoseg-system, name: default }
spec:
  approvals: { identity: Claimed }
  learning: { bin: 1m, window: 1s, coverage: 0, bins: 1, loss: 1, startUps: false, cronJobs: false }
  closedNamespace: { propose: false }
`;
const flows = [
  flowLine('shop/web > shop/cart 8080'),
  ...Array.from({ length: tried }, (_, i) => flowLine(`shop/cart > shop/db ${9_000 + i}`, 1, { answered: false })),
];

let controller: PageController;
let browser: TestBrowser;

if (browserMissing === undefined) {
  test.before(async () => {
    controller = await PageController.on({
      'cluster/shop.yaml': tinyShop,
      'profiles/nanoseg-system/default.yaml': profile,
      'flows/a.jsonl': flows.join(''),
    });
    [browser] = await Promise.all([TestBrowser.start(), controller.start({ proposals: 2, connections: tried })]);
  });
  test.after.always(async () => {
    await browser?.close();
    await controller?.close();
  });
}

pageTest('a long list of a proposal is read to its end with the keyboard, and says how far one is', async (t) => {
  const opened = await browser.open(`${controller.url}#/proposals/shop/deployment-cart`);
  const { page } = opened;
  await opened.drawn();
  await page.getByRole('tab', { name: 'Evidence' }).click();
  const part = page.locator('section.part', { hasText: `not learned until the profile accepts it (${tried})` });
  const lines = part.locator('li');
  t.is(await lines.count(), 1);
  const all = part.getByRole('button', { name: `and ${tried - 50} more connections: list them one by one` });
  await all.focus();
  await page.keyboard.press('Enter');
  const more = part.getByRole('button', { name: '120 more connections' });
  await more.waitFor();
  t.is(await lines.count(), 500);
  await page.locator('[aria-live]', { hasText: '500 of 620 connections listed' }).waitFor({ state: 'attached' });
  t.is(await page.locator(':focus').textContent(), await lines.first().textContent());
  t.deepEqual(await opened.accessibilityFaults('.panel-body'), []);
  await more.focus();
  await page.keyboard.press('Enter');
  await lines.nth(tried - 1).waitFor();
  t.is(await lines.count(), tried);
  t.is(new Set(await lines.allTextContents()).size, tried);
  t.is(await page.locator(':focus').textContent(), await lines.nth(500).textContent());
  t.is(await part.getByRole('button').count(), 0);
  await opened.screenshot('long-list');
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('a list that cannot be read says why, keeps what is there, and can be asked for again', async (t) => {
  const opened = await browser.open(`${controller.url}#/proposals/shop/deployment-cart`);
  const { page } = opened;
  await opened.drawn();
  opened.tolerate(/status of 503/);
  await page.getByRole('tab', { name: 'Evidence' }).click();
  const part = page.locator('section.part', { hasText: 'not learned until the profile accepts it' });
  const body = JSON.stringify({ code: 'NotReady', message: 'nothing was read yet' });
  await page.route('**/held-back?*', (route) => route.fulfill({ status: 503, contentType: 'application/json', body }));
  const all = part.getByRole('button');
  await all.click();
  await part.getByRole('alert').getByText('nothing was read yet').waitFor();
  t.is(await part.locator('li').count(), 1);
  await page.unroute('**/held-back?*');
  await page.keyboard.press('Enter');
  await part.getByRole('button', { name: '120 more connections' }).waitFor();
  t.is(await part.getByRole('alert').count(), 0);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});
