import type { Call } from './pod-process.ts';

/** One habit of every pod of a workload. `to` is a DNS name inside the cluster, a name outside, or an address. */
export type Habit = Omit<Call, 'key'>;

const svc = (name: string) => {
  const [namespace = '', service = ''] = name.split('/');
  return `${service}.${namespace}.svc.cluster.local`;
};

const tcp = (to: string, port: number, everyMs = 8_000, family: 4 | 6 = 4): Habit => ({
  protocol: 'TCP',
  to,
  port,
  everyMs,
  family,
});

const udp = (to: string, port: number, everyMs = 8_000): Habit => ({ ...tcp(to, port, everyMs), protocol: 'UDP' });

const apiServer = tcp(svc('default/kubernetes'), 443, 9_000);

/** Who talks to whom, workload by workload; what is not here says nothing by itself. */
export const habits: Readonly<Record<string, readonly Habit[]>> = {
  'kube-system/coredns': [tcp('10.96.0.1', 443, 9_000)],
  'edge/gateway': [apiServer, tcp(svc('shop/storefront'), 80, 2_500), tcp(svc('reporting/report-viewer'), 80, 9_000)],
  'shop/storefront': [
    tcp(svc('shop/catalog'), 80, 7_000),
    tcp(svc('shop/catalog'), 80, 7_000, 6),
    tcp(svc('shop/cart'), 80, 7_000),
    tcp(svc('shop/checkout'), 80, 9_000),
    tcp(svc('shop/recommendations'), 80),
    udp(svc('monitoring/statsd-relay'), 8125, 6_000),
  ],
  'shop/cart': [tcp(svc('data/cart-cache'), 6379, 4_000)],
  'shop/checkout': [
    tcp(svc('shop/cart'), 80),
    tcp(svc('shop/payments'), 50051),
    tcp(svc('shop/orders-api'), 80),
    udp(svc('monitoring/statsd-relay'), 8125, 9_000),
  ],
  'shop/payments': [tcp('pay.example', 443, 7_000)],
  'shop/orders-api': [tcp(svc('data/orders-db'), 5432, 6_000), tcp(svc('data/broker'), 4222)],
  'shop/orders-worker': [
    tcp(svc('data/broker'), 4222, 6_000),
    tcp(svc('data/orders-db'), 5432),
    tcp(svc('shop/notifier'), 80, 9_000),
  ],
  'shop/notifier': [tcp('relay.mail.example', 587, 7_000, 6)],
  'shop/recommendations': [tcp(svc('shop/catalog'), 9000, 6_000)],
  'shop/stock-sync': [tcp(svc('shop/catalog'), 80, 2_000), tcp(svc('data/orders-db'), 5432, 2_500)],
  // The name of all peers together has an answer too long for one UDP packet: its clients ask again by TCP.
  'data/orders-db': [
    ...[0, 1, 2].map((peer) => tcp(`orders-db-${peer}.${svc('data/orders-db-peers')}`, 7800)),
    tcp(svc('data/orders-db-peers'), 7800),
  ],
  'monitoring/metrics-scraper': [apiServer],
  'reporting/report-viewer': [tcp(svc('data/orders-db'), 5432, 7_000)],
};

/** Hosts outside of the cluster that answer; all in ranges that are reserved for documentation. */
export const outsideHosts = {
  'pay.example': { address: '198.51.100.20', port: 443 },
  'relay.mail.example': { address: '2001:db8:25::10', port: 587 },
} as const;

/** People who visit the shop: addresses of documentation ranges. */
export const visitorAddresses: readonly string[] = [
  ...Array.from({ length: 20 }, (_, i) => `203.0.113.${11 + 7 * i}`),
  ...Array.from({ length: 6 }, (_, i) => `198.51.100.${130 + 9 * i}`),
  ...Array.from({ length: 8 }, (_, i) => `2001:db8:${(0x1a0 + 17 * i).toString(16)}::5`),
];

/** What the scanning replica tries on each of its victims, in two rounds as such tools do. */
export const scan = {
  victims: ['shop/cart', 'shop/payments', 'shop/orders-api', 'shop/notifier', 'data/orders-db', 'data/broker'],
  ports: [22, 80, 3306, 5432, 8080, 9200, 27017],
} as const;

/** The attempt that the hand-written policy denies: reports read straight from the cart's cache. */
export const deniedAttempt = {
  by: 'reporting/report-viewer',
  call: tcp(svc('data/cart-cache'), 6379, 2_500),
} as const;
