import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { fullApproval, fullProposal } from '../support/full-resources.ts';

export function proposalIn(namespace: string, name = 'deployment-cart'): PolicyProposal {
  const metadata = { name, namespace, labels: { team: 'cart' }, annotations: { note: 'für das Team\nzwei Zeilen' } };
  return { ...fullProposal, metadata };
}

export function approvalIn(namespace: string): PolicyApproval {
  return { ...fullApproval, metadata: { name: 'deployment-cart-1', namespace } };
}

export function policyIn(namespace: string, spec: Partial<NetworkPolicy['spec']> = {}): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: 'nanoseg-cart',
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'nanoseg' },
      annotations: { 'nanoseg.io/proposal': 'deployment-cart', 'nanoseg.io/revision': '1' },
    },
    spec: {
      podSelector: { matchLabels: { app: 'cart' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { ports: [{ protocol: 'TCP', port: 8080 }], from: [{ podSelector: { matchLabels: { app: 'web' } } }] },
        {
          ports: [{ protocol: 'TCP', port: 8081 }],
          from: [{ ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.1/32'] } }],
        },
      ],
      ...spec,
    },
  };
}
