import test from 'ava';
import { browserMissing, pageTest } from '../support/page-test.ts';
import { TestBrowser, type TestPage } from '../support/page-browser.ts';
import { PageController } from '../support/page-controller.ts';

let controller: PageController;
let browser: TestBrowser;

if (browserMissing === undefined) {
  test.before(async () => {
    controller = await PageController.onExample();
    [browser] = await Promise.all([TestBrowser.start(), controller.start({ proposals: 17 })]);
  });
  test.after.always(async () => {
    await browser?.close();
    await controller?.close();
  });
}

async function approved(name: string): Promise<TestPage> {
  const opened = await browser.open(`${controller.url}#/proposals/shop/deployment-${name}`);
  const { page } = opened;
  await page.getByRole('button', { name: 'Approve…' }).click();
  await page.getByRole('button', { name: 'Approve this digest' }).click();
  await page.getByText(/Done: enforced/).waitFor();
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await page.getByRole('button', { name: 'Roll back…' }).waitFor();
  return opened;
}

pageTest(
  'what is in force is rolled back after saying what comes back and what opens, and only by who knows it',
  async (t) => {
    const opened = await approved('cart');
    const { page } = opened;
    const digest = (await page.locator('.summary .digest').textContent()) ?? '';
    await opened.screenshot('in-force');
    t.deepEqual(await opened.accessibilityFaults(), []);
    await page.getByRole('button', { name: 'Roll back…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Roll back shop/deployment/cart' });
    await dialog.getByText('this opens the network', { exact: true }).waitFor();
    const text = (await dialog.textContent()) ?? '';
    t.true(text.includes(digest));
    t.regex(text, /In forcerevision 1 of \d{4}-.*approved by .*Comes backno policy of nanoseg/);
    t.regex(text, /Opens \(\d+\)/);
    // it is read from its beginning
    t.is(await dialog.locator('.dialog-body').evaluate((element) => element.scrollTop), 0);
    await opened.screenshot('rollback-asked');
    await dialog.getByText('Difference, from in force, revision 1 to no policy of nanoseg').click();
    t.regex((await dialog.locator('.code .removed').allTextContents()).join(''), /-kind: NetworkPolicy/);
    t.deepEqual(await opened.accessibilityFaults('dialog[open]'), []);
    const confirm = dialog.getByRole('button', { name: 'Roll back revision 1' });
    t.true(await confirm.isDisabled());
    await dialog.getByLabel(/I know that this opens the network/).check();
    await dialog.getByLabel('Reason, for the audit log').fill('checkout is slow');
    await opened.screenshot('rollback');
    await confirm.click();
    await dialog.getByText(/Done: rolled back: no policy of nanoseg is in force/).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.summary .pill', { hasText: /Rolled/i }).waitFor();
    await page.locator('.summary-state', { hasText: /taken back to .* by .*checkout is slow/ }).waitFor();
    t.is(await page.getByRole('button', { name: 'Roll back…' }).count(), 0);
    // it can be approved anew
    t.is(await page.getByRole('button', { name: 'Approve…' }).getAttribute('aria-disabled'), null);
    t.deepEqual(opened.problems(), []);
    await opened.close();
  },
);

pageTest('policies are retired from the page, by keys alone', async (t) => {
  const opened = await approved('checkout');
  const { page } = opened;
  await page.getByRole('button', { name: 'Retire…' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Retire shop/deployment/checkout' });
  await dialog.getByLabel(/I know that this opens the network/).focus();
  await page.keyboard.press('Space');
  await page.keyboard.press('Tab');
  await page.keyboard.type('it moves to another cluster');
  for (let presses = 0; presses < 4; presses++) {
    await page.keyboard.press('Tab');
    if (await dialog.getByRole('button', { name: 'Remove its policies' }).evaluate((it) => it.matches(':focus'))) break;
  }
  await page.keyboard.press('Enter');
  await dialog.getByText(/Done: retired: its policies are removed/).waitFor();
  t.true(await dialog.getByRole('button', { name: 'Close' }).evaluate((it) => it.matches(':focus')));
  await page.keyboard.press('Enter');
  t.is(await page.getByRole('dialog').count(), 0);
  await page.locator('.summary-state', { hasText: /retired by .*it moves to another cluster/ }).waitFor();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('what came into force since it was looked at is not taken back by that look', async (t) => {
  const opened = await approved('catalog');
  const { page } = opened;
  await page.getByRole('button', { name: 'Retire…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/I know that this opens the network/).check();
  // somebody else was faster
  const path = `${controller.url}api/v1/proposals/shop/deployment-catalog/rollback`;
  const { digest } = (await (await fetch(path)).json()) as { digest: string };
  const body = JSON.stringify({ digest });
  const reply = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  t.is(reply.status, 201);
  opened.tolerate(/status of 409/);
  await dialog.getByRole('button', { name: 'Remove its policies' }).click();
  await dialog.getByText(/Nothing was decided: .*(?:has no policy of nanoseg in force|is nothing now)/).waitFor();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});
