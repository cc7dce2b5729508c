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
      shop.start({ options: pageOptions(port) }),
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

function pageOptions(port: number): readonly string[] {
  return ['--http-port', `${port}`];
}

const rightsTest: typeof pageTest = (title, implementation) => {
  if (missing === undefined) pageTest(title, implementation);
  else test.skip(`${title} (needs ${missing})`, implementation);
};

async function signedIn(user: KubeUser, path = ''): Promise<TestPage> {
  return signedInWith(api.tokenOf(user), path);
}

async function signedInWith(token: string, path: string): Promise<TestPage> {
  const opened = await browser.open(`${url}${path}`);
  // the answer that asks for a token is an error to the browser
  opened.tolerate(/status of 401/);
  await giveToken(opened, token);
  return opened;
}

async function giveToken({ page }: TestPage, token: string): Promise<void> {
  await page.getByLabel('Token of the cluster').fill(token);
  await page.getByRole('button', { name: 'Go on' }).click();
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
  await page.locator('.decision', { hasText: 'carol may not create policyapprovals in namespace shop' }).waitFor();
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

rightsTest('what is in force is taken back with the rights and the name of the one who decides', async (t) => {
  const looking = await signedIn('carol', '#/proposals/shop/deployment-cart');
  const rollback = looking.page.getByRole('button', { name: 'Roll back…' });
  await rollback.waitFor();
  t.is(await rollback.getAttribute('aria-disabled'), 'true');
  await looking.page.locator('.decision', { hasText: 'carol may not create policyapprovals' }).waitFor();
  await looking.close();
  const opened = await signedIn('alice', '#/proposals/shop/deployment-cart');
  const { page } = opened;
  await page.getByRole('button', { name: 'Roll back…' }).click();
  await page.getByLabel(/I know that this opens the network/).check();
  await page.getByLabel('Reason, for the audit log').fill('checkout is slow');
  await page.getByRole('button', { name: 'Roll back revision 1' }).click();
  await page.getByText(/Done: rolled back/).waitFor({ timeout: 20_000 });
  const { status } = await shop.inState('cart', 'RolledBack');
  t.regex(status.message, /by alice: checkout is slow$/);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

rightsTest('who signs out leaves nothing behind for who signs in next, but the place', async (t) => {
  const opened = await signedIn('alice', '#/proposals/shop/deployment-cart');
  const { page } = opened;
  await page.getByRole('button', { name: 'Approve…' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  t.false(((await page.locator('body').textContent()) ?? '').includes('alice'));
  t.is(await page.locator('#tables .grid-body [role=row]').count(), 0);
  t.is(await page.locator('article.proposal').count(), 0);
  t.notRegex((await page.locator('.tables-head').textContent()) ?? '', /[1-9]/);
  await page.waitForSelector('#canvas[data-drawn^="0 nodes"]');
  t.deepEqual(await opened.accessibilityFaults(), []);
  await opened.screenshot('signed-out');
  await giveToken(opened, api.tokenOf('carol'));
  await page.locator('.watching', { hasText: 'as carol' }).waitFor();
  await page.getByText(/carol may not create policyapprovals in namespace shop/).waitFor();
  t.regex(page.url(), /#\/proposals\/shop\/deployment-cart$/);
  t.deepEqual(opened.problems(), []);
  await opened.close();
});

rightsTest('a token that is not accepted any more is asked for anew, over what one looks at', async (t) => {
  const binding = [
    'rolebinding',
    'visitor',
    '--clusterrole=nanoseg-viewer',
    '--serviceaccount=shop:visitor',
    '-n',
    'shop',
  ];
  t.is((await api.kubectl('admin', 'create', ...binding)).code, 0);
  const token = await api.serviceAccountToken('shop', 'visitor');
  const opened = await signedInWith(token, '#/proposals/shop/deployment-cart');
  const { page } = opened;
  await page.getByRole('tab', { name: 'YAML' }).click();
  opened.tolerate(/status of 401|net::ERR_|ERR_CONNECTION/);
  t.is((await api.kubectl('admin', 'delete', 'serviceaccount', 'visitor', '-n', 'shop')).code, 0);
  // what the former process knew of the token would hold for a minute
  await shop.controller.kill();
  await shop.eventually('the API server knows the token no more', async () => {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { body } = await api.request('admin', 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', review);
    return body.status.authenticated === true ? undefined : true;
  });
  await shop.start({ options: pageOptions(Number(new URL(url).port)) });
  await page.getByRole('heading', { name: 'Who are you now?' }).waitFor({ timeout: 30_000 });
  await page
    .getByText(/The token of system:serviceaccount:shop:visitor is not accepted any more .*What you look at stays/)
    .waitFor();
  t.regex((await page.getByLabel('Policies as YAML').textContent()) ?? '', /kind: NetworkPolicy/);
  t.deepEqual(await opened.accessibilityFaults(), []);
  await opened.screenshot('token-expired');
  await giveToken(opened, api.tokenOf('carol'));
  await page.locator('.live', { hasText: 'live' }).waitFor({ timeout: 20_000 });
  await page.locator('.watching', { hasText: 'as carol' }).waitFor();
  await page.getByRole('tab', { name: 'YAML', selected: true }).waitFor();
  await page.getByRole('region', { name: 'Policies as YAML' }).waitFor();
  t.deepEqual(opened.problems(), []);
  await opened.close();
});
