import { z } from 'zod';
import { policyProtocols } from '../../../model/protocol.ts';
import { cniProfile } from '../../../policy/cni-profiles.ts';
import { compilePolicies } from '../../../policy/evaluate/compile-policies.ts';
import type { CniName } from '../../../model/profile.ts';
import type { ClusterIndex } from '../../../policy/evaluate/cluster-index.ts';
import { type Evaluator, evaluator } from '../../../policy/evaluate/evaluator.ts';
import type { Party } from '../../../policy/evaluate/views.ts';
import { parseWorkloadKey } from '../../../model/workload.ts';
import { deviationsOf } from '../../../view/deviation-list.ts';
import type { NamespaceEntry } from '../../../view/api-shape.ts';
import { resolveParty } from '../../../view/resolve-party.ts';
import { ApiProblem } from './api-problem.ts';
import { deviationPageSchema, explanationSchema, sessionSchema, statusSchema } from './cluster-schemas.ts';
import type { Gate } from './gate.ts';
import { pageOfList, pageQuery } from './paging.ts';
import { type ApiRequest, type ApiRoute, route } from './route.ts';

const name = z.string().min(1).max(600);

export function clusterRoutes(gate: Gate): readonly ApiRoute[] {
  const inForce = policiesInForce();
  return [
    route({
      method: 'get',
      path: '/session',
      summary: 'Who asks, and what there is for them',
      query: {},
      answers: { status: 200, schema: sessionSchema },
      errors: [],
      handle: async ({ source, caller, sight }) => {
        const { namespaces } = source.index().cluster;
        const counts = workloadCounts(source.index().keys);
        const seen = [...namespaces.keys()].filter(sight.maySee).sort();
        return {
          access: gate.access,
          user: caller.user,
          version: source.version,
          watching: source.watching,
          namespaces: seen.map((namespace): NamespaceEntry => {
            const { profile } = source.view.profileOf(namespace);
            return {
              name: namespace,
              mode: profile.exemptNamespaces.includes(namespace) ? 'exempt' : profile.mode,
              identity: profile.approvals.identity === 'claimed' ? 'Claimed' : 'Stamped',
              workloads: counts.get(namespace) ?? 0,
              stopped: source.view.stopped(namespace) ?? null,
            };
          }),
          hidden: seen.length < namespaces.size,
        };
      },
    }),
    route({
      method: 'get',
      path: '/explain',
      summary: 'Whether a connection is allowed by what is in force, and by what',
      query: {
        source: name.describe('namespace/name, namespace/kind/name or an address.'),
        destination: name.describe('namespace/name, namespace/kind/name or an address.'),
        port: z.coerce.number().int().min(1).max(65_535).describe("The port of the destination's pod."),
        protocol: z.enum(policyProtocols).default('TCP'),
      },
      answers: { status: 200, schema: explanationSchema },
      errors: [404],
      handle: async (request, query) => {
        const { source } = request;
        const index = source.index();
        const [from, to] = [partyOf(request, query.source), partyOf(request, query.destination)];
        const { profile } = source.view.clusterProfile();
        const { verdict, reasons } = inForce(index, profile.cni).decide(from, to, query.protocol, query.port);
        const { source: fromText, destination, protocol, port } = query;
        return {
          source: fromText,
          destination,
          protocol,
          port,
          verdict,
          reasons: reasons.map(({ sentence }) => sentence),
        };
      },
    }),
    route({
      method: 'get',
      path: '/deviations',
      summary: 'Connections of enforced workloads that nobody approved',
      query: { namespace: z.array(name).max(500).describe('Only of these namespaces.'), ...pageQuery },
      answers: { status: 200, schema: deviationPageSchema },
      errors: [],
      handle: async ({ source, sight }, query) => {
        const found = source.view
          .proposals()
          .filter(({ metadata }) => sight.maySee(metadata.namespace))
          .filter(({ metadata }) => query.namespace.length === 0 || query.namespace.includes(metadata.namespace))
          .flatMap(deviationsOf)
          .map((entry) => ({ key: `${entry.namespace}/${entry.proposal} ${entry.connection} ${entry.verdict}`, entry }))
          .sort((a, b) => (a.key < b.key ? -1 : 1));
        return pageOfList(
          found,
          query,
          ({ key }) => key,
          ({ entry }) => entry,
        );
      },
    }),
    route({
      method: 'get',
      path: '/status',
      summary: 'How far the cluster is closed, and whether nanoseg works',
      query: {},
      answers: { status: 200, schema: statusSchema },
      errors: [],
      handle: async ({ source, sight }) => source.status(sight.maySee),
    }),
  ];
}

/** Made once for a value of the cluster. */
function policiesInForce(): (index: ClusterIndex, cni: CniName) => Evaluator {
  let made: { readonly of: ClusterIndex; readonly cni: CniName; readonly evaluator: Evaluator } | undefined;
  return (index, cni) => {
    if (made?.of !== index || made.cni !== cni) {
      const compiled = compilePolicies(index, index.cluster.policies);
      made = { of: index, cni, evaluator: evaluator(index, compiled, cniProfile(cni, index.cluster)) };
    }
    return made.evaluator;
  };
}

function workloadCounts(keys: readonly Parameters<typeof parseWorkloadKey>[0][]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const { namespace } = parseWorkloadKey(key);
    counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  }
  return counts;
}

/** What the caller may not see is as if it were not there: its names are no answer either. */
function partyOf({ source, sight }: ApiRequest, text: string): Party {
  const index = source.index();
  const party = resolveParty(index, text, sight.maySee);
  if ('code' in party) throw new ApiProblem(party.code === 'ArgumentInvalid' ? 400 : 404, party.code, party.message);
  return party;
}
