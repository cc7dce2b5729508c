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

async function drawnPage(path = '', dark = false): Promise<TestPage> {
  const opened = await browser.open(`${controller.url}${path}`, { dark });
  await opened.drawn();
  return opened;
}

/** `24 nodes, 68 edges`. */
async function drawnThings({ page }: TestPage): Promise<{ readonly nodes: number; readonly edges: number }> {
  const text = (await page.getAttribute('#canvas', 'data-drawn')) ?? '';
  const [nodes = 0, edges = 0] = (text.match(/\d+/g) ?? []).map(Number);
  return { nodes, edges };
}

pageTest('the page opens on the traffic graph, its tables and the proposals, without a fault', async (t) => {
  const opened = await drawnPage();
  const { page } = opened;
  await page.locator('.live', { hasText: 'live' }).waitFor();
  t.true((await drawnThings(opened)).nodes > 15);
  t.regex((await page.getByRole('tab', { name: /^Connections/ }).textContent()) ?? '', /\(\d+ pairs\)/);
  t.is(await page.getByRole('option', { name: /Learning/ }).count(), 1);
  t.regex((await page.getByRole('option', { name: /Learning/ }).textContent()) ?? '', /missing: .*nightly-report/);
  await opened.screenshot('overview-light');
  await page.setViewportSize({ width: 1600, height: 1000 });
  await page.getByRole('button', { name: 'Fit: show all' }).click();
  await opened.screenshot('overview-wide');
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('in light and dark, axe-core finds nothing in the main states', async (t) => {
  for (const dark of [false, true]) {
    const name = dark ? 'dark' : 'light';
    const opened = await drawnPage('', dark);
    const { page } = opened;
    t.deepEqual(await opened.accessibilityFaults(), [], `overview, ${name}`);
    if (dark) await opened.screenshot('overview-dark');
    await page.getByRole('tab', { name: /Deviations/ }).click();
    await page.getByText('Nothing was seen outside of what is enforced.').waitFor();
    t.deepEqual(await opened.accessibilityFaults('#tables'), [], `deviations, ${name}`);
    await page.getByRole('option', { name: /shop\/deployment\/cart/ }).click();
    await page.getByRole('heading', { name: 'Rules (3)' }).waitFor();
    t.deepEqual(await opened.accessibilityFaults('#panel'), [], `proposal, ${name}`);
    for (const tab of ['Effect', 'Evidence', 'Diff', 'YAML']) {
      await page.getByRole('tab', { name: tab, exact: true }).click();
      t.deepEqual(await opened.accessibilityFaults('#panel'), [], `${tab}, ${name}`);
    }
    await opened.screenshot(`yaml-${name}`);
    await page.getByRole('button', { name: 'Approve…' }).click();
    await page.getByRole('dialog').waitFor();
    t.deepEqual(await opened.accessibilityFaults('dialog[open]'), [], `decision, ${name}`);
    await opened.screenshot(`decision-${name}`);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('tab', { name: /Workloads and others/ }).click();
    await page.getByRole('row', { name: /shop cart Deployment/ }).click();
    await page.getByRole('heading', { name: 'cart', exact: true }).waitFor();
    t.deepEqual(await opened.accessibilityFaults('#panel'), [], `workload, ${name}`);
    await opened.screenshot(`workload-${name}`);
    t.deepEqual(opened.problems(), []);
    await opened.close();
  }
});

pageTest('on a narrow screen everything is there, one below the other, and nothing is cut off', async (t) => {
  const opened = await browser.open(controller.url, { width: 420, height: 900 });
  const { page } = opened;
  await opened.drawn();
  await opened.screenshot('narrow');
  const wider = () => page.evaluate('document.documentElement.scrollWidth - innerWidth');
  t.true(Number(await wider()) <= 0);
  await page.getByRole('option', { name: /shop\/deployment\/cart/ }).click();
  await page.getByRole('button', { name: 'Approve…' }).waitFor();
  await page.evaluate('document.querySelector(".decision").scrollIntoView()');
  await opened.screenshot('narrow-proposal');
  t.true(Number(await wider()) <= 0);
  await page.getByRole('button', { name: 'Approve…' }).click();
  await page.getByRole('dialog').waitFor();
  await opened.screenshot('narrow-decision');
  t.true(await page.getByRole('button', { name: 'Approve this digest' }).isVisible());
  t.deepEqual(await opened.accessibilityFaults(), []);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('filters leave what fits in picture and tables, and say so when nothing does', async (t) => {
  const opened = await drawnPage();
  const { page } = opened;
  const all = await drawnThings(opened);
  await page.getByLabel('Namespace', { exact: true }).selectOption('reporting');
  await page.waitForSelector(`#canvas:not([data-drawn="${all.nodes} nodes, ${all.edges} edges"])`);
  t.true((await drawnThings(opened)).edges < all.edges);
  const rows = page.locator('#table-connections .grid-body [role=row]');
  for (const text of await rows.allTextContents()) t.regex(text, /reporting\//);
  t.regex((await page.locator('.tables-head').textContent()) ?? '', /\d+ of 151 connections/);
  await page.getByRole('button', { name: 'Denied attempt' }).click();
  await page.locator('.state-mark', { hasText: 'Denied attempt' }).first().waitFor();
  t.is(await page.getByRole('button', { name: 'Denied attempt' }).getAttribute('aria-pressed'), 'true');
  await page.getByLabel('Protocol').selectOption('SCTP');
  await page.getByText('Nothing fits the filters').waitFor();
  await opened.screenshot('nothing-fits');
  t.deepEqual(await opened.accessibilityFaults(), []);
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await page.locator('.tables-head', { hasText: /^((?! of ).)*151 connections$/ }).waitFor();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('groups close and open by keys, and each step is said aloud', async (t) => {
  const opened = await drawnPage();
  const { page } = opened;
  const open = await drawnThings(opened);
  await page.getByRole('button', { name: 'Close all groups' }).click();
  await page.waitForSelector('#canvas[data-drawn^="8 nodes"]');
  await opened.screenshot('groups-closed');
  await page.locator('#canvas').focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Shift+Tab');
  const said = page.locator('#said');
  await said.filter({ hasText: 'closed' }).waitFor({ state: 'attached' });
  const first = await said.textContent();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Close this group' }).waitFor();
  t.true((await drawnThings(opened)).nodes > 8, `${first}`);
  await page.keyboard.press('ArrowRight');
  await said.filter({ hasNotText: first ?? '' }).waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Open all groups' }).click();
  await page.waitForSelector(
    `#canvas[data-drawn^="${open.nodes} nodes"], #canvas[data-drawn^="${open.nodes + 35} nodes"]`,
  );
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('a pair shows its connections with the evidence in words', async (t) => {
  const opened = await drawnPage();
  const { page } = opened;
  await page.getByRole('button', { name: 'Held back' }).click();
  await page.getByRole('row', { name: /shop\/recommendations shop\/cart/ }).click();
  await page
    .getByText(/scan: its source tried/)
    .first()
    .waitFor();
  t.regex(
    (await page.locator('.connections').textContent()) ?? '',
    /shop\/Deployment\/recommendations > shop\/Deployment\/cart TCP/,
  );
  await opened.screenshot('pair');
  t.deepEqual(await opened.accessibilityFaults(), []);
  await page.goBack();
  await page.getByRole('heading', { name: 'Proposals' }).waitFor();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('search leads to a workload by keys alone', async (t) => {
  const opened = await drawnPage();
  const { page } = opened;
  await page.getByRole('combobox', { name: /Search/ }).focus();
  await page.keyboard.type('orders-api');
  await page
    .getByRole('option', { name: /orders-api/ })
    .first()
    .waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'orders-api' }).waitFor();
  t.true((await page.getByRole('button', { name: 'Review its proposal' }).count()) === 1);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('what is found late, for fewer letters, is not taken for what is searched', async (t) => {
  const opened = await drawnPage();
  const { page } = opened;
  await page.route('**/api/v1/search?*', async (route) => {
    const letters = new URL(route.request().url()).searchParams.get('q')?.length ?? 0;
    // the fewer letters, the later
    if (letters < 'orders-api'.length) await new Promise((resolve) => setTimeout(resolve, 600 - letters * 40));
    await route.continue().catch(() => undefined);
  });
  await page.getByRole('combobox', { name: /Search/ }).focus();
  await page.keyboard.type('orders-api');
  await page
    .getByRole('option', { name: /orders-api/ })
    .first()
    .waitFor();
  await page.waitForResponse(/search\?q=o$/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'orders-api' }).waitFor();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('a proposal is laid over the picture: before, after, and what changes', async (t) => {
  const opened = await drawnPage('#/proposals/shop/deployment-cart');
  const { page } = opened;
  const seen = await drawnThings(opened);
  await page.getByRole('button', { name: 'Changes', exact: true }).last().click();
  await page.locator('.overlay-legend', { hasText: 'What changes with shop/deployment/cart' }).waitFor();
  t.true((await drawnThings(opened)).edges < seen.edges);
  t.regex((await page.locator('.overlay-legend').textContent()) ?? '', /Was seen, and closes.*Stays allowed/);
  await opened.screenshot('overlay-changes');
  await page.getByRole('button', { name: 'After', exact: true }).click();
  await page.locator('.overlay-legend', { hasText: 'After shop/deployment/cart' }).waitFor();
  t.deepEqual(await opened.accessibilityFaults(), []);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('an approval repeats what it is about, is recorded with its reason, and is seen to be enforced', async (t) => {
  const opened = await drawnPage('#/proposals/shop/deployment-cart');
  const { page } = opened;
  const digest = (await page.locator('.summary .digest').textContent()) ?? '';
  t.regex(digest, /^sha256:[0-9a-f]{64}$/);
  await page.getByRole('button', { name: 'Approve…' }).click();
  const dialog = page.getByRole('dialog');
  t.regex((await dialog.textContent()) ?? '', new RegExp(`${digest}.*all pods of shop/Deployment/cart`));
  await dialog.getByLabel('Reason, for the audit log').fill('reviewed <b>with</b> team cart');
  await dialog.getByRole('button', { name: 'Approve this digest' }).click();
  await dialog.getByText(/Done: enforced as revision 1/).waitFor();
  await opened.screenshot('approved');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await page.locator('.summary .pill', { hasText: 'Enforced' }).waitFor();
  await page.getByText('given by').waitFor();
  await page.getByText('What is proposed is in force as it is, as revision 1.').waitFor();
  t.is(await page.getByRole('button', { name: 'Approve…' }).count(), 0);
  // the line from the one workload to the other is allowed by a policy now
  await page.getByLabel('Workload', { exact: true }).fill('cart-cache');
  await page.keyboard.press('Enter');
  await page.getByRole('row', { name: /shop\/cart data\/cart-cache .* Enforced/ }).waitFor();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

pageTest('a rejection is recorded, and a proposal that is still learning needs a word more', async (t) => {
  const opened = await drawnPage('#/proposals/shop/deployment-payments');
  const { page } = opened;
  await page.getByRole('button', { name: 'Reject…' }).click();
  await page.getByLabel('Reason, for the audit log').fill('not yet');
  await page.getByRole('button', { name: 'Reject this digest' }).click();
  await page.getByText(/Done: rejected/).waitFor();
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await page.locator('.summary .pill', { hasText: 'Rejected' }).waitFor();
  await page.getByRole('button', { name: '← Proposals' }).click();
  await page.getByRole('option', { name: /reporting\/deployment\/report-viewer/ }).click();
  await page.getByRole('button', { name: 'Approve…' }).click();
  const confirm = page.getByRole('button', { name: 'Approve this digest' });
  t.true(await confirm.isDisabled());
  await page.getByLabel(/I know that not enough was seen/).check();
  t.false(await confirm.isDisabled());
  await page.keyboard.press('Escape');
  t.deepEqual(opened.problems(), []);
  await opened.close();
});
