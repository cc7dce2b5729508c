import test, { type ExecutionContext } from 'ava';
import { networkMissing, NetworkNode, type NodePlan } from './network-node.ts';

const missing = process.env['NANOSEG_TEST_REQUIRE'] === 'all' ? undefined : networkMissing();

/** One node of network namespaces for all tests of a file: up before the first of them, gone after the last. */
export function networkNodeOfFile(plan: NodePlan): () => NetworkNode {
  let node: NetworkNode | undefined;
  if (missing === undefined) {
    test.before(async () => {
      node = await NetworkNode.start(plan);
    });
    test.after.always(() => node?.stop());
  }
  return () => {
    if (node === undefined) throw new Error('the node is started before the first test');
    return node;
  };
}

/** A test with real packets, after those before it; skipped with the reason where a part is missing. */
export function networkTest(title: string, implementation: (t: ExecutionContext) => Promise<void>): void {
  if (missing === undefined) test.serial(title, implementation);
  else test.skip(`${title} (needs ${missing})`, implementation);
}
