import test from 'ava';
import type { Connection, Evidence } from '../../controller/model/connection.ts';
import { isEvidence } from '../../controller/model/connection.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import { amendableAttempts, attemptsAsEvidence } from '../../controller/policy/amendments.ts';
import { evidenceSummary, evidenceWords } from '../../controller/policy/rule-words.ts';
import { habitsIn, suspicionJudge } from '../../controller/policy/suspicion.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { connection, connectionSource } from '../support/build-connections.ts';

const cart = keyOf('shop/cart');
const cluster = buildCluster(['web', 'cart', 'redis'].map((name) => ({ name, labels: { app: name } })));
const denied = (text: string, evidence: Partial<Evidence> = {}, directed = true): Connection =>
  connection(text, { allowed: 0, denied: 3, answered: 'unknown', ...evidence }, directed);

function amendable(connections: readonly Connection[], sinceMs = 0): string[] {
  const traffic = connectionSource(connections);
  const suspicionOf = suspicionJudge(cluster, habitsIn(traffic), defaultProfile);
  return amendableAttempts(cart, traffic, suspicionOf, sinceMs).map(({ id }) => id);
}

test('an attempt that a policy denied may be amended', (t) => {
  const attempt = denied('shop/web > shop/cart TCP 9090', { denied: 1 });
  t.deepEqual(amendable([attempt, connection('shop/web > shop/cart TCP 8080')]), [attempt.id]);
});

test('what passed, was tried by nobody known, in no known direction or before the policy is no attempt to amend', (t) => {
  t.deepEqual(
    amendable(
      [
        denied('shop/web > shop/cart TCP 9090', { allowed: 1 }),
        denied('?10.0.0.9 > shop/cart TCP 9091'),
        denied('shop/web > shop/cart TCP 9092', {}, false),
        denied('shop/web > shop/cart TCP 0'),
        denied('shop/web > shop/cart ICMP 0'),
        denied('shop/web > shop/cart TCP 9093', { lastMs: 500 }),
      ],
      1_000,
    ),
    [],
  );
});

test('a stranger, and a try that was only left without an answer, have to come twice', (t) => {
  const once = { denied: 1 };
  const silent = { denied: 0, answered: 'no' } as const;
  const [stranger, again] = [denied('203.0.113.7 > shop/cart TCP 80', once), denied('203.0.113.8 > shop/cart TCP 80')];
  const [lost, often] = [
    denied('shop/cart > shop/redis TCP 6379', { ...silent, incidences: 1 }),
    denied('shop/cart > shop/web TCP 80', { ...silent, incidences: 2 }),
  ];
  t.deepEqual(amendable([stranger, again, lost, often]), [again.id, often.id]);
});

test('what would be held back is not offered: a scan, the deny list, the metadata service, one replica of many', (t) => {
  t.deepEqual(amendable([denied('shop/cart > 169.254.169.254 TCP 80')]), []);
  const scan = Array.from({ length: 12 }, (_, i) => denied(`shop/web > shop/cart TCP ${1000 + i}`));
  t.deepEqual(amendable(scan), []);
  const many = denied('shop/web > shop/cart TCP 9090', { denied: 30, clientReplicas: 1, sources: ['conntrack'] });
  t.deepEqual(amendable([many, connection('shop/web > shop/cart TCP 8080')]), []);
  t.deepEqual(amendable([{ ...many, evidence: { ...many.evidence, clientReplicas: 3 } }]), [many.id]);
});

test('attempts are evidence for an amendment and for nothing else, and keep their counts', (t) => {
  const attempt = denied('shop/web > shop/cart TCP 9090');
  const other = denied('shop/web > shop/cart TCP 9091');
  const passed = connection('shop/web > shop/cart TCP 8080');
  const traffic = connectionSource([attempt, other, passed]);
  const offered = attemptsAsEvidence(traffic, new Set([attempt.id, passed.id]));
  t.deepEqual(offered.connectionsOf(cart).filter(isEvidence), [passed, { ...attempt, attempted: true }]);
  t.deepEqual([...offered.connections()], offered.connectionsOf(cart));
  t.deepEqual(traffic.connectionsOf(cart).filter(isEvidence), [passed]);
});

test('the words of attempts never claim that anything was seen to pass', (t) => {
  const attempt: Connection = { ...denied('shop/web > shop/cart TCP 9090'), attempted: true };
  t.is(
    evidenceWords(attempt),
    'asked for by 3 denied attempts from 3 or more replicas, first 1970-01-01T00:00Z, last 1970-01-01T01:00Z (hubble)',
  );
  const silent: Connection = {
    ...denied('shop/web > shop/cart TCP 9090', { denied: 0, answered: 'no', clientReplicas: 0 }),
    attempted: true,
  };
  t.regex(evidenceWords(silent), /^asked for by attempts without an answer, never answered, first/);
  const passed = connection('shop/web > shop/cart TCP 8080');
  t.regex(
    evidenceSummary([attempt, passed]),
    /^seen 100 times in 1 connection, asked for by 3 denied attempts of 1 connection, first/,
  );
  t.regex(evidenceSummary([passed, passed]), /^seen 200 times in 2 connections, first/);
});
