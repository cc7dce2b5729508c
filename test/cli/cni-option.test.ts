import { join } from 'node:path';
import test from 'ava';
import { profileFromText } from '../../controller/adapters/workspace/read-profile.ts';
import { directoryOf, runCli } from '../support/run-cli.ts';
import { tinyShop } from '../support/tiny-shop.ts';

test('a network plugin may be named by the other names that people know it by, and by no wrong one', async (t) => {
  const directory = await directoryOf(t, { 'cluster.yaml': tinyShop });
  const codeOf = async (name: string) => {
    return (await runCli('connectivity', join(directory, 'cluster.yaml'), '--cni', name)).code;
  };
  t.is(await codeOf('azure-npm'), 0);
  t.is(await codeOf('azure-cni'), 0);
  t.is(await codeOf('flanel'), 2);
  const spec = (name: string) =>
    profileFromText(`apiVersion: nanoseg.io/v1alpha1\nkind: SegmentationProfile\nspec: {cni: ${name}}`, 'profile.yaml');
  t.is(spec('azure-cni/npm').profile.cni, 'azure-npm');
  t.regex(spec('flanel').problems[0]?.message ?? '', /expected one of generic, calico/);
});
