import test, { type ExecutionContext } from 'ava';
import { type KubeApi, kubeApiMissing, startKubeApi } from './kube-api.ts';

const missing = process.env['NANOSEG_TEST_REQUIRE'] === 'all' ? undefined : kubeApiMissing();

/** One API server for all tests of a file: started before the first of them, stopped after the last. */
export function kubeApiOfFile(): () => KubeApi {
  let api: KubeApi | undefined;
  if (missing === undefined) {
    test.before(async () => {
      api = await startKubeApi();
    });
    test.after.always(() => api?.stop());
  }
  return () => {
    if (api === undefined) throw new Error('the API server is started before the first test');
    return api;
  };
}

/** A test against the real API server, after those before it; skipped with the reason where a part is missing. */
export function clusterTest(title: string, implementation: (t: ExecutionContext) => Promise<void>): void {
  if (missing === undefined) test.serial(title, implementation);
  else test.skip(`${title} (needs ${missing})`, implementation);
}

/** The same, at the same time as others of its kind. */
export function clusterTestBeside(title: string, implementation: (t: ExecutionContext) => Promise<void>): void {
  if (missing === undefined) test(title, implementation);
  else test.skip(`${title} (needs ${missing})`, implementation);
}
