import type { NetworkPolicy } from '../../model/network-policy.ts';
import type { Problem } from '../../model/problem.ts';
import type { ClusterReading } from '../../ports.ts';
import { clusterFromObjects } from '../inventory/cluster-from-objects.ts';
import type { LocatedObject, ObjectReading } from '../inventory/located-object.ts';
import { isNetworkPolicy, networkPolicyFromObject } from '../inventory/network-policy.ts';
import { otherPoliciesIn } from '../inventory/other-policies.ts';
import { findManifestFiles, readManifestFile } from './manifest-files.ts';
import { parseManifests } from './parse-manifests.ts';

/** The cluster that these files and directories of manifests and dumps describe. */
export async function readCluster(paths: readonly string[]): Promise<ClusterReading> {
  const { objects, problems } = await readObjects(paths);
  const reading = clusterFromObjects(objects);
  return { ...reading, problems: [...problems, ...reading.problems] };
}

/** Only the NetworkPolicies of these files and directories, in the order in which they stand there. */
export async function readPolicies(paths: readonly string[]): Promise<{
  readonly policies: readonly NetworkPolicy[];
  readonly problems: readonly Problem[];
  readonly otherPolicies: ReadonlyMap<string, number>;
}> {
  const { objects, problems } = await readObjects(paths);
  const readings = objects.filter(isNetworkPolicy).map(networkPolicyFromObject);
  return {
    policies: readings.flatMap((reading) => ('policy' in reading ? [reading.policy] : [])),
    problems: [...problems, ...readings.flatMap((reading) => ('problems' in reading ? reading.problems : []))],
    otherPolicies: otherPoliciesIn(objects),
  };
}

async function readObjects(paths: readonly string[]): Promise<ObjectReading> {
  const { files, problems: missing } = await findManifestFiles(paths);
  const objects: LocatedObject[] = [];
  const problems: Problem[] = [...missing];
  for (const file of files) {
    const text = await readManifestFile(file);
    if (typeof text !== 'string') {
      problems.push(text);
      continue;
    }
    const reading = parseManifests(text, file);
    for (const object of reading.objects) objects.push(object);
    problems.push(...reading.problems);
  }
  return { objects, problems };
}
