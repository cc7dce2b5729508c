import test from 'ava';
import fc from 'fast-check';
import { DirectedGraph } from 'graphology';
import { parse } from 'graphology-gexf';
import { graphDot } from '../../../controller/graph/exports/dot.ts';
import { graphGexf } from '../../../controller/graph/exports/gexf.ts';
import { graphJson } from '../../../controller/graph/exports/graphology-json.ts';
import { graphMermaid } from '../../../controller/graph/exports/mermaid.ts';
import { pictureOf } from '../../../controller/graph/exports/picture.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import type { Sighting } from '../../../controller/model/sighting.ts';
import { anySighting, minuteMs, peer, sighting, workload } from '../../support/sightings.ts';

function picture(sightings: readonly Sighting[], namespace?: string) {
  const graph = new TrafficGraph({ binMs: 5 * minuteMs });
  for (const seen of sightings) graph.observe(seen);
  return pictureOf(graph, namespace);
}

const text = (parts: Iterable<string>) => [...parts].join('');
const outside = (dnsNames?: readonly string[]) =>
  sighting({ server: peer({ kind: 'external', address: '192.0.2.1' }, 0), port: 443, serverDnsNames: dnsNames });
const shop = [
  sighting(),
  sighting({ port: 53, protocol: 17 }),
  sighting({ port: 22, verdict: 'denied' }),
  outside(['pay.example']),
  sighting({ client: peer(workload('agent', 'ops')), server: peer({ kind: 'node', name: 'n1' }, 0), directed: false }),
];

test('DOT groups workloads by namespace and has the ports on the arrows', (t) => {
  t.is(
    text(graphDot(picture(shop))),
    `digraph traffic {
  rankdir=LR;
  node [fontname="sans-serif"];
  edge [fontname="sans-serif", fontsize=10];
  "external:192.0.2.1" [shape=ellipse, label="pay.example (192.0.2.1)"];
  "node:n1" [shape=box3d, label="node n1"];
  subgraph "cluster_ops" {
    label="ops";
    "workload:ops/Deployment/agent" [shape=box, label="agent\\nDeployment"];
  }
  subgraph "cluster_shop" {
    label="shop";
    "workload:shop/Deployment/cart" [shape=box, label="cart\\nDeployment"];
    "workload:shop/Deployment/web" [shape=box, label="web\\nDeployment"];
  }
  "workload:ops/Deployment/agent" -> "node:n1" [label="undirected: TCP 8080", style=dotted, dir=none];
  "workload:shop/Deployment/web" -> "external:192.0.2.1" [label="TCP 443"];
  "workload:shop/Deployment/web" -> "workload:shop/Deployment/cart" [label="TCP 8080; UDP 53"];
  "workload:shop/Deployment/web" -> "workload:shop/Deployment/cart" [label="denied: TCP 22", style=dashed, color=red, fontcolor=red];
}
`,
  );
});

test('Mermaid groups workloads by namespace and has the ports on the arrows', (t) => {
  t.is(
    text(graphMermaid(picture(shop))),
    `flowchart LR
  n0(["pay.example (192.0.2.1)"])
  n1[["node n1"]]
  subgraph ns0["ops"]
    n2["agent"]
  end
  subgraph ns1["shop"]
    n3["cart"]
    n4["web"]
  end
  n2 ---|"undirected: TCP 8080"| n1
  n4 -->|"TCP 443"| n0
  n4 -->|"TCP 8080; UDP 53"| n3
  n4 -.->|"denied: TCP 22"| n3
`,
  );
});

test('a namespace alone is drawn with its peers and without what others do', (t) => {
  const ids = (namespace: string) => picture(shop, namespace).nodes.map(({ id }) => id);
  t.deepEqual(ids('ops'), ['node:n1', 'workload:ops/Deployment/agent']);
  t.is(ids('shop').length, 3);
  t.deepEqual(ids('none'), []);
});

test('many ports are cut short and counted', (t) => {
  const scan = Array.from({ length: 100 }, (_, i) => sighting({ port: i + 1, verdict: 'denied' }));
  t.true(text(graphDot(picture(scan))).includes('"denied: TCP 1, 2, 3, 4, 5, 6, 7, 8 and 92 more"'));
});

test('names from outside cannot break out of their quotes', (t) => {
  const evil = '"]; x -> y [label="\\N <script>\n\u0001#|`';
  const drawn = picture([outside([evil])]);
  const dot = text(graphDot(drawn));
  t.true(dot.includes(String.raw`label="\"]; x -> y [label=\"\\N <script> #|${'`'} (192.0.2.1)"];`), dot);
  const mermaid = text(graphMermaid(drawn));
  t.false(mermaid.includes('script>') || mermaid.includes('\u0001'), mermaid);
  t.is(mermaid.split('\n').filter((line) => line.includes('192.0.2.1')).length, 1);
  const gexf = graphGexf(drawn);
  t.false(gexf.includes('\u0001') || gexf.includes('<script'), gexf);
});

test('JSON is read by graphology as the same graph, with all evidence', (t) => {
  fc.assert(
    fc.property(fc.array(anySighting, { maxLength: 30 }), (sightings) => {
      const drawn = picture(sightings);
      const read = DirectedGraph.from(JSON.parse(text(graphJson(drawn))));
      t.is(read.order, drawn.nodes.length);
      t.is(read.size, drawn.edges.length);
      for (const { source, destination, connections } of drawn.edges) {
        const attributes = read.getDirectedEdgeAttributes(source, destination);
        const allowed = connections.reduce((sum, { evidence }) => sum + evidence.allowed, 0);
        t.is(attributes['allowed'], allowed);
        t.deepEqual(
          attributes['connections'].map(({ id }: { id: string }) => id),
          connections.map(({ id }) => id),
        );
      }
    }),
  );
});

test('GEXF is read back as the same graph', (t) => {
  const evil = sighting({ client: peer({ kind: 'node', name: 'n\u0001' }, 0) });
  const other = sighting({ client: peer({ kind: 'node', name: 'n\u0002' }, 0) });
  const drawn = picture([...shop, evil, other]);
  const read = parse(DirectedGraph, graphGexf(drawn));
  t.is(read.order, drawn.nodes.length);
  t.is(read.size, drawn.edges.length);
  t.like(read.getNodeAttributes('workload:shop/Deployment/web'), { label: 'web', kind: 'workload', namespace: 'shop' });
  const edge = read.edge('workload:shop/Deployment/web', 'workload:shop/Deployment/cart');
  t.like(read.getEdgeAttributes(edge), { allowed: 2, denied: 1, weight: 2, label: 'TCP 22, 8080; UDP 53' });
});

test('the order of flows leaves no trace in any drawing', (t) => {
  const anyOrder = fc
    .array(anySighting, { maxLength: 30 })
    .chain((flows) => fc.tuple(fc.constant(flows), fc.shuffledSubarray(flows, { minLength: flows.length })));
  fc.assert(
    fc.property(anyOrder, ([flows, shuffled]) => {
      const [a, b] = [picture(flows), picture(shuffled)];
      t.is(text(graphJson(a)), text(graphJson(b)));
      t.is(text(graphDot(a)), text(graphDot(b)));
      t.is(text(graphMermaid(a)), text(graphMermaid(b)));
      t.is(graphGexf(a), graphGexf(b));
    }),
  );
});
