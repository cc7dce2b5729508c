import { X509Certificate } from 'node:crypto';
import test from 'ava';
import {
  authorityBundle,
  type Certificates,
  renewCertificates,
} from '../../../controller/adapters/admission/certificates.ts';

const startMs = Date.UTC(2026, 0, 1);
const dayMs = 24 * 60 * 60_000;
const hosts = ['nanoseg.nanoseg-system.svc', '127.0.0.1', '::1'];

function isTrusted({ serving }: Certificates, bundle: string): boolean {
  const leaf = new X509Certificate(serving.certificate);
  return bundle
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .map((text) => new X509Certificate(text))
    .some((authority) => leaf.verify(authority.publicKey) && leaf.checkIssued(authority));
}

test('the first certificates name the hosts, and say what they are for', async (t) => {
  const made = await renewCertificates(undefined, hosts, startMs);
  const leaf = new X509Certificate(made.serving.certificate);
  t.is(leaf.checkHost('nanoseg.nanoseg-system.svc'), 'nanoseg.nanoseg-system.svc');
  t.is(leaf.checkHost('other.nanoseg-system.svc'), undefined);
  t.is(leaf.checkIP('127.0.0.1'), '127.0.0.1');
  t.is(leaf.checkIP('::1'), '::1');
  t.false(leaf.ca);
  t.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  t.is(leaf.validToDate.getTime(), startMs + 90 * dayMs);
  t.true(leaf.validFromDate.getTime() < startMs, 'clocks of the callers may be behind');
  const authority = new X509Certificate(authorityBundle(made));
  t.true(authority.ca);
  t.is(authority.validToDate.getTime(), startMs + 365 * dayMs);
  t.true(isTrusted(made, authorityBundle(made)));
});

test('nothing is made anew before two thirds of its life', async (t) => {
  const made = await renewCertificates(undefined, hosts, startMs);
  t.is(await renewCertificates(made, hosts, startMs + 60 * dayMs - 1), made);
  const renewed = await renewCertificates(made, hosts, startMs + 60 * dayMs);
  t.not(renewed.serving.certificate, made.serving.certificate);
  t.is(renewed.authorities, made.authorities);
});

test('a certificate that lacks a host is made anew and keeps the hosts that it had', async (t) => {
  const made = await renewCertificates(undefined, ['a.example'], startMs);
  t.is(await renewCertificates(made, [], startMs), made);
  const renewed = await renewCertificates(made, ['b.example'], startMs);
  t.deepEqual(renewed.serving.hosts, ['a.example', 'b.example']);
});

test('over three years no caller ever meets a certificate that it does not trust, even with a bundle of a day ago', async (t) => {
  let made = await renewCertificates(undefined, hosts, startMs);
  let yesterday = authorityBundle(made);
  const authorities = new Set<string>();
  let overlaps = 0;
  for (let day = 1; day <= 3 * 365; day++) {
    const nowMs = startMs + day * dayMs;
    made = await renewCertificates(made, hosts, nowMs);
    const bundle = authorityBundle(made);
    const { serving } = made;
    if (!isTrusted(made, bundle) || !isTrusted(made, yesterday)) t.fail(`not trusted on day ${day}`);
    if (serving.notAfterMs - nowMs < 20 * dayMs) t.fail(`about to expire on day ${day}`);
    for (const { certificate, notAfterMs } of made.authorities) {
      authorities.add(certificate);
      if (notAfterMs <= nowMs) t.fail(`an expired authority is in the bundle on day ${day}`);
    }
    if (made.authorities.length === 2) overlaps++;
    yesterday = bundle;
  }
  t.is(authorities.size, 5);
  t.true(overlaps > 300);
});

test('after years of standing still everything is made anew and works at once', async (t) => {
  const made = await renewCertificates(undefined, hosts, startMs);
  const nowMs = startMs + 5 * 365 * dayMs;
  const renewed = await renewCertificates(made, hosts, nowMs);
  t.is(renewed.authorities.length, 1);
  t.true(isTrusted(renewed, authorityBundle(renewed)));
  t.true(renewed.serving.notAfterMs > nowMs + 89 * dayMs);
});
