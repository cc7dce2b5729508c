import test from 'ava';
import { browserMissing, pageTest } from '../support/page-test.ts';
import { InstalledShop } from '../support/installed-shop.ts';
import { bindRole } from '../support/install-for-test.ts';
import { freePorts } from '../support/owned-process.ts';
import { TestBrowser, type TestPage } from '../support/page-browser.ts';
import { type KubeApi, type KubeUser, kubeApiMissing, startKubeApi } from '../support/kube-api.ts';

const missing = browserMissing ?? (process.env['NANOSEG_TEST_REQUIRE'] === 'all' ? undefined : kubeApiMissing());
let api: KubeApi;
let shop: InstalledShop;
let browser: TestBrowser;
let url: string;

if (missing === undefined) {
  test.before(async () => {
    api = await startKubeApi();
    shop = await InstalledShop.open(api);
    const [port = 0] = await freePorts(1);
    url = `http://127.0.0.1:${port}/`;
    await Promise.all([
      bindRole(api, 'alice', 'nanoseg-approver', 'shop'),
      bindRole(api, 'carol', 'nanoseg-viewer', 'shop'),
      shop.start({ options: ['--http-port', `${port}`] }),
    ]);
    await shop.seen('web > cart 8080', 'cart > db 5432');
    browser = await TestBrowser.start();
    await shop.inState('cart', 'Ready');
  });
  test.after.always(async () => {
    await browser?.close();
    await shop?.close();
    await api?.stop();
  });
}

const rightsTest: typeof pageTest = (title, implementation) => {
  if (missing === undefined) pageTest(title, implementation);
  else test.skip(`${title} (needs ${missing})`, implementation);
};

async function signedIn(user: KubeUser, path = ''): Promise<TestPage> {
  const opened = await browser.open(`${url}${path}`);
  // the answer that asks for a token is an error to the browser
  opened.tolerate(/status of 401/);
  await opened.page.getByLabel('Token of the cluster').fill(api.tokenOf(user));
  await opened.page.getByRole('button', { name: 'Go on' }).click();
  return opened;
}

rightsTest('in a cluster the page asks for a token, keeps it nowhere, and refuses one that nobody knows', async (t) => {
  const opened = await browser.open(url);
  const { page } = opened;
  opened.tolerate(/status of 401/);
  await page.getByRole('heading', { name: 'Who are you?' }).waitFor();
  t.deepEqual(await opened.accessibilityFaults(), []);
  await opened.screenshot('sign-in');
  await page.getByLabel('Token of the cluster').fill('not-a-token');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByLabel('Token of the cluster').and(page.locator(':focus')).waitFor();
  await page.getByLabel('Token of the cluster').fill(api.tokenOf('alice'));
  await page.getByRole('button', { name: 'Go on' }).click();
  await opened.drawn();
  await page.locator('.watching', { hasText: 'as alice' }).waitFor();
  const kept = await page.evaluate(
    'JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, location.href])',
  );
  t.false(String(kept).includes(api.tokenOf('alice')));
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

rightsTest('who may only look is told so, and has no button that decides', async (t) => {
  const opened = await signedIn('carol', '#/proposals/shop/deployment-cart');
  const { page } = opened;
  const approve = page.getByRole('button', { name: 'Approve…' });
  await approve.waitFor();
  t.is(await approve.getAttribute('aria-disabled'), 'true');
  t.is(await page.getByRole('button', { name: 'Reject…' }).getAttribute('aria-disabled'), 'true');
  t.regex(
    (await page.locator('.decision').textContent()) ?? '',
    /carol may not create policyapprovals in namespace shop/,
  );
  await approve.click({ force: true });
  t.is(await page.getByRole('dialog').count(), 0);
  t.deepEqual(await opened.accessibilityFaults(), []);
  await opened.screenshot('may-only-look');
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

rightsTest('an approval is made with the rights and the name of the one who decides', async (t) => {
  const opened = await signedIn('alice', '#/proposals/shop/deployment-cart');
  const { page } = opened;
  await page.getByRole('button', { name: 'Approve…' }).click();
  await page.getByLabel('Reason, for the audit log').fill('reviewed');
  await page.getByRole('button', { name: 'Approve this digest' }).click();
  await page.getByText(/Done: enforced as revision 1/).waitFor({ timeout: 20_000 });
  const { status } = await shop.inState('cart', 'Enforced');
  t.deepEqual(status.enforced?.approvedBy, ['alice']);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});
