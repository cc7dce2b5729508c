import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { ControllerProblem } from '../../controller/backend.ts';
import { runController } from '../../controller/compose.ts';
import { type ControllerConfigInput, controllerConfig } from '../../controller/config.ts';
import { ask } from '../support/http-client.ts';
import { runCli } from '../support/run-cli.ts';

async function workspace(t: ExecutionContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'nanoseg-endpoint-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  return root;
}

/** Runs until the page is served, or the controller has ended; answers with where it is. */
async function served(
  t: ExecutionContext,
  root: string,
  http: ControllerConfigInput['http'],
  once = false,
): Promise<string> {
  const stop = new AbortController();
  const page = Promise.withResolvers<string>();
  const running = runController(
    {
      config: controllerConfig({ workspace: root, refreshMs: 100, once, ...(http && { http }) }),
      version: '0.0.0-test',
      log: pino({ level: 'silent' }),
      notifier: { notify: () => undefined, close: async () => undefined },
      onPage: page.resolve,
      onRound: () => once && stop.abort(),
    },
    stop.signal,
  );
  t.teardown(async () => {
    stop.abort();
    await running.catch(() => undefined);
  });
  return Promise.race([page.promise, running.then(() => 'ended')]);
}

test('on the machine of a person a port that is taken is no reason to have no page', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const root = await workspace(t);
  const url = await served(t, root, { port });
  t.not(new URL(url).port, `${port}`);
  t.is((await ask(`${url}/healthz`)).status, 200);
  t.is((await runCli('ui', '--workspace', root, '--no-open')).out, `the page is at ${url}/\n`);
});

test('a workspace is served to nobody but this machine', async (t) => {
  const root = await workspace(t);
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'localhost.example', '127.0.0.1.example']) {
    const error = await t.throwsAsync(served(t, root, { port: 0, host }), { instanceOf: ControllerProblem }, host);
    t.is(error?.problem.code, 'HttpUnusable');
  }
});

test('certificates that cannot be read are said before anything is served', async (t) => {
  const root = await workspace(t);
  const cert = join(root, 'none.crt');
  const error = await t.throwsAsync(served(t, root, { port: 0, cert, key: cert }), { instanceOf: ControllerProblem });
  t.regex(error?.problem.message ?? '', /none\.crt/);
});

test('a run that ends by itself serves no page', async (t) => {
  t.is(await served(t, await workspace(t), { port: 0 }, true), 'ended');
});

test('where no controller serves a page, nanoseg ui says how to start one', async (t) => {
  const root = await workspace(t);
  const { code, err } = await runCli('ui', '--workspace', root);
  t.is(code, 2);
  t.regex(err, /nanoseg controller --workspace .* --http-port 8080/);
  const kubeconfig = join(root, 'config');
  const user = { name: 'u', user: { 'client-certificate-data': '', 'client-key-data': '' } };
  const config = {
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:9' } }],
    users: [user],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  const without = await runCli('ui', '--kubeconfig', kubeconfig, '--no-open');
  t.is(without.code, 2);
  t.regex(without.err, /--token-file/);
});
