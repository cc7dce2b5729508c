import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { run } from '../../../cli/program.ts';
import { ask } from '../../support/http-client.ts';
import { directoryOf, runCli } from '../../support/run-cli.ts';
import { TestAuthority, type TestCertificate } from '../../support/test-certificates.ts';

const proxyPath = '/api/v1/namespaces/nanoseg-system/services/https:nanoseg-page:8445/proxy/';

/** An API server that tells what it was sent, and a kubeconfig of a user of it. */
async function kubeconfigOf(t: ExecutionContext, user: object, files: Readonly<Record<string, string>> = {}) {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: address } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'dev', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'dev',
  };
  const directory = await directoryOf(t, { config: JSON.stringify(config), ...files });
  return { kubeconfig: join(directory, 'config'), directory };
}

/** What the API server is sent with each of these requests for the page. */
async function sent(t: ExecutionContext, requests: number, ...args: string[]): Promise<IncomingHttpHeaders[]> {
  const opened = Promise.withResolvers<string>();
  const stop = new AbortController();
  const terminal = {
    out: (text: string) => opened.resolve(/http:\S+/.exec(text)?.[0] ?? ''),
    err: (text: string) => t.log(text),
    interactive: false,
    columns: 100,
    exit: () => undefined,
    interrupted: () => stop.signal,
  };
  const running = run(['ui', '--no-open', ...args], terminal, '0.0.0-test');
  const page = await Promise.race([opened.promise, running.then((code) => `it ended with ${code}`)]);
  t.regex(page, /^http:/);
  const heard: IncomingHttpHeaders[] = [];
  try {
    for (let i = 0; i < requests; i++) {
      const { json } = await ask(page);
      t.is(json.url, proxyPath);
      heard.push(json.headers);
    }
  } finally {
    stop.abort();
    await running;
  }
  return heard;
}

function execOf(command: string) {
  return { exec: { apiVersion: 'client.authentication.k8s.io/v1', command, interactiveMode: 'Never' } };
}

let pem: TestCertificate;
test.before(async () => {
  pem = await (await TestAuthority.create()).issue(['alice']);
});

test('a credential plugin gives the token, and is asked again when the token has expired', async (t) => {
  const { kubeconfig, directory } = await kubeconfigOf(t, execOf('./plugin'));
  const plugin = join(directory, 'plugin');
  await writeFile(
    plugin,
    `#!/bin/sh
echo run >> "$0.runs"
runs=$(wc -l < "$0.runs")
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"of-run-%d","expirationTimestamp":"2020-01-01T00:00:00Z"}}' $runs
`,
  );
  await chmod(plugin, 0o700);
  const tokens = (await sent(t, 2, '--kubeconfig', kubeconfig)).map((headers) => {
    t.is(headers['x-nanoseg-authorization'], headers.authorization);
    return headers.authorization ?? '';
  });
  for (const token of tokens) t.regex(token, /^Bearer of-run-\d+$/);
  t.not(tokens[0], tokens[1]);
});

test('a credential plugin that fails is quoted', async (t) => {
  const { kubeconfig, directory } = await kubeconfigOf(t, execOf('./plugin'));
  await writeFile(join(directory, 'plugin'), '#!/bin/sh\necho "sign in first: example login" >&2\nexit 3\n');
  await chmod(join(directory, 'plugin'), 0o700);
  const { code, err } = await runCli('ui', '--no-open', '--kubeconfig', kubeconfig);
  t.is(code, 2);
  t.regex(err, /no credentials can be had for context dev: [^]*sign in first: example login/);
});

test('a token file is read again, and the token of an OpenID provider is taken', async (t) => {
  const { kubeconfig, directory } = await kubeconfigOf(t, { tokenFile: 'token' }, { token: 'first\n' });
  t.is((await sent(t, 1, '--kubeconfig', kubeconfig))[0]?.['x-nanoseg-authorization'], 'Bearer first');
  await writeFile(join(directory, 'token'), 'second\n');
  t.is((await sent(t, 1, '--kubeconfig', kubeconfig))[0]?.['x-nanoseg-authorization'], 'Bearer second');
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = `${part({ alg: 'none' })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600 })}.x`;
  const provider = { 'auth-provider': { name: 'oidc', config: { 'id-token': token } } };
  const other = await kubeconfigOf(t, provider);
  t.is((await sent(t, 1, '--kubeconfig', other.kubeconfig))[0]?.['x-nanoseg-authorization'], `Bearer ${token}`);
});

test('a client certificate cannot be passed on: it is said why, and what to do instead', async (t) => {
  const user = {
    'client-certificate-data': Buffer.from(pem.certificate).toString('base64'),
    'client-key-data': Buffer.from(pem.privateKey).toString('base64'),
  };
  const { kubeconfig, directory } = await kubeconfigOf(t, user, { token: 'of-a-service-account' });
  const { code, out, err } = await runCli('ui', '--no-open', '--kubeconfig', kubeconfig);
  t.deepEqual([code, out], [2, '']);
  for (const words of [
    /KubeconfigUnusable/,
    /context dev has a client certificate and no token/,
    /under your own name, use nanoseg proposals, show and approve/,
    /ClusterRole nanoseg-viewer/,
    /kubectl create token NAME -n NAMESPACE > token; nanoseg ui --token-file token/,
  ]) {
    t.regex(err.replaceAll(/\s+/g, ' '), words);
  }
  const [headers] = await sent(t, 1, '--kubeconfig', kubeconfig, '--token-file', join(directory, 'token'));
  t.is(headers?.['x-nanoseg-authorization'], 'Bearer of-a-service-account');
  t.is(headers?.authorization, undefined);
});

test('a plugin that gives a certificate alone, and a user with nothing, are told the same', async (t) => {
  const { kubeconfig, directory } = await kubeconfigOf(t, execOf('./plugin'));
  const status = { clientCertificateData: pem.certificate, clientKeyData: pem.privateKey };
  const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
  await writeFile(join(directory, 'plugin'), `#!/bin/sh\ncat <<'END'\n${JSON.stringify(credential)}\nEND\n`);
  await chmod(join(directory, 'plugin'), 0o700);
  t.regex(
    (await runCli('ui', '--no-open', '--kubeconfig', kubeconfig)).err,
    /dev has a client certificate and no token/,
  );
  const nobody = await kubeconfigOf(t, {});
  t.regex((await runCli('ui', '--no-open', '--kubeconfig', nobody.kubeconfig)).err, /context dev has no token\./);
});
