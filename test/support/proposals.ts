import type { PolicyProposal, ProposalSpec, ProposalStatus, Revision } from '../../controller/model/policy-proposal.ts';

/** `sha256:` and the same hex digit 64 times. */
export function digestOf(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}

/** A policy that lets only `client` reach the Deployment, on one port. */
export function policyText(namespace: string, name: string, client: string, port = 8080): string {
  return `# nanoseg: the traffic of ${namespace}/Deployment/${name} that was seen and accepted; all other is denied
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: nanoseg-${name}
  namespace: ${namespace}
  labels:
    app.kubernetes.io/managed-by: nanoseg
spec:
  podSelector:
    matchLabels:
      app: ${name}
  policyTypes:
    - Ingress
    - Egress
  ingress:
    # from ${namespace}/Deployment/${client} to TCP ${port}: seen 12 times
    - from:
        - podSelector:
            matchLabels:
              app: ${client}
      ports:
        - protocol: TCP
          port: ${port}
  egress: []
`;
}

/** A proposal for the Deployment of that name, as the controller would have stored it. */
export function proposalOf(
  namespace: string,
  name: string,
  status: Partial<ProposalStatus> = {},
  spec: Partial<ProposalSpec> = {},
): PolicyProposal & { readonly status: ProposalStatus } {
  return {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyProposal',
    metadata: { namespace, name: `deployment-${name}` },
    spec: {
      scope: 'Workload',
      workloads: [`Deployment/${name}`],
      policies: policyText(namespace, name, 'web'),
      evidence: [`${namespace}/Deployment/web>${namespace}/Deployment/${name}:TCP/8080`],
      ...spec,
    },
    status: {
      observedGeneration: 1,
      state: 'Ready',
      message: 'everything was seen; it waits for 1 approval',
      digest: digestOf('a'),
      author: 'nanoseg',
      proposedDigest: digestOf('a'),
      change: 'New',
      rules: 1,
      readiness: { state: 'ready', coverage: '99.7%', missing: [] },
      proof: {
        valid: true,
        checks: [{ name: 'evidence', passed: true, message: 'all evidence stays allowed' }],
        overGrants: [],
        wouldDeny: { count: 0, items: [] },
        reachableBefore: 4,
        reachableAfter: 1,
      },
      heldBack: { count: 0, items: [] },
      omissions: { count: 0, items: [] },
      attempts: [],
      notes: [],
      approvals: { required: 1, given: [], ignored: [] },
      revisions: [],
      deviations: [],
      conditions: [],
      ...status,
    },
  };
}

export function revisionOf(revision: number, digest: string, policies: string): Revision {
  return { revision, digest, policies, appliedAt: '2026-11-01T10:00:00.000Z', approvedBy: ['alice'], baseline: [] };
}
