import test from 'ava';
import { isReservedName, policyNames } from '../../controller/policy/policy-names.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';

const named = (...workloads: readonly string[]) => {
  const specs = workloads.map((text) => {
    const [kind = '', name = ''] = text.split('/');
    return { kind, name, labels: { app: name } };
  });
  const names = policyNames(buildCluster(specs));
  return workloads.map((text) => names.get(keyOf(`shop/${text}`)) ?? '');
};

test('a policy is named after its workload, with the kind only where two have one name', (t) => {
  t.deepEqual(named('Deployment/web', 'Deployment/cart', 'StatefulSet/cart'), [
    'nanoseg-web',
    'nanoseg-cart-deployment',
    'nanoseg-cart-statefulset',
  ]);
});

test('no two workloads of a namespace share a policy, whatever they are called', (t) => {
  const names = named('Deployment/cart', 'StatefulSet/cart', 'Deployment/cart-deployment', 'Job/cart-statefulset');
  t.is(new Set(names).size, names.length);
});

test('no workload takes the name of the default-deny or of a learning allowance', (t) => {
  const names = named('Deployment/default-deny', 'Deployment/learning-cart', 'Deployment/cart');
  t.is(new Set(names).size, names.length);
  t.regex(names[0] ?? '', /^nanoseg-workload-default-deny-deployment-[0-9a-f]{8}$/);
  t.is(names[2], 'nanoseg-cart');
  t.deepEqual(names.filter(isReservedName), []);
});
