/** One line of `hubble observe -o json` in the key order of a current agent, with parts of the flow replaced. */
export function hubbleLine(
  change: Readonly<Record<string, unknown>> = {},
  { outer = true }: { readonly outer?: boolean } = {},
): { readonly flow: unknown } {
  const time = '2026-07-31T10:41:02.202450754Z';
  const node = 'default/worker-1';
  const flow = {
    time,
    uuid: '7f1f2a34-0000-4000-8000-000000000001',
    verdict: 'FORWARDED',
    ethernet: { source: '0a:00:00:00:00:01', destination: '0a:00:00:00:00:02' },
    IP: { source: '10.0.1.5', destination: '10.0.2.7', ipVersion: 'IPv4' },
    l4: { TCP: { source_port: 40000, destination_port: 6379, flags: { SYN: true } } },
    source: {
      ID: 423,
      identity: 24753,
      cluster_name: 'default',
      namespace: 'shop',
      labels: ['k8s:app=cart', 'k8s:io.kubernetes.pod.namespace=shop'],
      pod_name: 'cart-5f6c9d7b8-abcde',
      workloads: [{ name: 'cart', kind: 'Deployment' }],
    },
    destination: { identity: 24075, namespace: 'shop', labels: ['k8s:app=redis'], pod_name: 'redis-0' },
    Type: 'L3_L4',
    node_name: node,
    event_type: { type: 4, sub_type: 3 },
    traffic_direction: 'EGRESS',
    trace_observation_point: 'TO_STACK',
    is_reply: false,
    Summary: 'TCP Flags: SYN',
    ...change,
  };
  return outer ? Object.assign({ flow }, { node_name: node, time }) : { flow };
}
