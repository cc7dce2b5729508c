import test from 'ava';
import { ControllerMetrics } from '../../../controller/adapters/prometheus/metrics.ts';
import { proposalOf } from '../../support/proposals.ts';

async function series(metrics: ControllerMetrics): Promise<Map<string, number>> {
  const { body } = await metrics.text();
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

test('every figure is there at zero before it moves', async (t) => {
  const all = await series(new ControllerMetrics());
  for (const name of [
    'nanoseg_reconcile_total{outcome="retry"}',
    'nanoseg_audit_records_total{action="Approved"}',
    'nanoseg_proposals{state="Enforced"}',
    'nanoseg_proposals_readiness{state="learning"}',
    'nanoseg_flow_records',
    'nanoseg_flow_losses',
    'nanoseg_flows_unattributed{reason="ambiguous"}',
    'nanoseg_graph_connections',
    'nanoseg_graph_endpoints',
    'nanoseg_would_deny',
    'nanoseg_deviations{verdict="denied"}',
    'nanoseg_deviations{verdict="passed"}',
    'nanoseg_approval_to_stored_seconds_count',
    'nanoseg_http_requests_total{status="5xx"}',
    'nanoseg_event_streams',
  ]) {
    t.is(all.get(name), 0, name);
  }
});

test('what is looked up at a scrape is as the proposals are', async (t) => {
  const metrics = new ControllerMetrics();
  const deviation = { connection: 'a', verdict: 'denied', firstSeen: '', lastSeen: '', times: 3, message: '' } as const;
  const live = { since: '', updatedAt: '', judged: 9, wouldDeny: 4, samples: [] };
  const cart = proposalOf('shop', 'cart', { deviations: [deviation] });
  const web = proposalOf('shop', 'web', { readiness: { state: 'learning', coverage: 'unknown', missing: [] } });
  const shadow = { ...web, status: { ...web.status, live: { ...live, digest: web.status.digest } } };
  const former = { ...cart, status: { ...cart.status, live: { ...live, digest: 'sha256:other' } } };
  const ingest = {
    records: 7,
    losses: 2,
    held: 1,
    contradictions: 0,
    unattributed: new Map([['no-owner', 5] as const]),
  };
  metrics.state.set({ proposals: [former, shadow], endpoints: 12, ingest, streams: 3 });
  metrics.state.answered(404);
  const all = await series(metrics);
  t.is(all.get('nanoseg_deviations{verdict="denied"}'), 1);
  t.is(all.get('nanoseg_would_deny'), 4);
  t.is(all.get('nanoseg_proposals_readiness{state="learning"}'), 1);
  t.is(all.get('nanoseg_flows_unattributed{reason="no-owner"}'), 5);
  t.is(all.get('nanoseg_flow_losses'), 2);
  t.is(all.get('nanoseg_http_requests_total{status="4xx"}'), 1);
  t.is(all.get('nanoseg_event_streams'), 3);
});

test('however many sources come and go, there are only so many series', async (t) => {
  const metrics = new ControllerMetrics();
  const before = (await series(metrics)).size;
  for (let i = 0; i < 1_000; i++) metrics.ingested(`flows-${i}.jsonl`, i, 0);
  for (let i = 0; i < 1_000; i++) metrics.state.answered(100 + i);
  t.is((await series(metrics)).size, before + 200);
});
