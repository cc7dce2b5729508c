type PutArguments = readonly [apiVersion: string, kind: string, name: string, rest: object, metadata: object];

/** Everything of a Deployment but its name; its pods carry `app`. */
export function deploymentSpec(app: string): object {
  return {
    spec: {
      replicas: 1,
      selector: { matchLabels: { app } },
      template: { metadata: { labels: { app } }, spec: { containers: [{ name: 'main', image: 'main' }] } },
    },
  };
}

/** The one pod of that Deployment, the one which flows name. */
export function podOf(deployment: string, ready: 'True' | 'False', app = deployment): PutArguments {
  const replicaSet = `${deployment}-6d5f7`;
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: replicaSet,
    uid: `uid-of-${replicaSet}`,
    controller: true,
  };
  return [
    'v1',
    'Pod',
    `${replicaSet}-abcde`,
    {
      spec: { containers: [{ name: 'main', image: 'main' }] },
      status: {
        phase: 'Running',
        startTime: '2026-01-01T00:00:00Z',
        conditions: [{ type: 'Ready', status: ready }],
      },
    },
    { labels: { app, 'pod-template-hash': '6d5f7' }, ownerReferences: [owner] },
  ];
}
