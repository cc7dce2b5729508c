import { ClusterError } from '../../model/cluster-error.ts';
import type { KubeClient } from './kube-client.ts';

/** The first version whose API server stores `endPort` unless told otherwise. */
const rangesSince = 22;

/**
 * Whether the API server stores port ranges of NetworkPolicies, by the version that it says (`minor` may end in `+`);
 * undefined when it does not say. Rejects with ClusterError when the server cannot be reached.
 */
export async function storesPortRanges(client: KubeClient): Promise<boolean | undefined> {
  try {
    const { major, minor } = await client.request<{ major?: unknown; minor?: unknown }>({
      method: 'GET',
      path: '/version',
    });
    const [, of] = /^(\d+)\+?$/.exec(typeof minor === 'string' ? minor : '') ?? [];
    if (typeof major !== 'string' || !/^\d+$/.test(major) || of === undefined) return undefined;
    return Number(major) > 1 || Number(of) >= rangesSince;
  } catch (error) {
    if (error instanceof ClusterError && !error.retryable) return undefined;
    throw error;
  }
}
