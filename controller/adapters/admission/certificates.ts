import { KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { loadX509 } from './load-x509.ts';

/** A certificate with its key, both PEM. */
export interface KeptCertificate {
  readonly certificate: string;
  readonly privateKey: string;
  readonly createdAtMs: number;
  readonly notAfterMs: number;
}

/** What the webhook serves with, and what its callers trust. */
export interface Certificates {
  /** Newest first; more than one while a new one takes over. */
  readonly authorities: readonly KeptCertificate[];
  /** `hosts`: the DNS names and addresses that it is good for. */
  readonly serving: KeptCertificate & { readonly hosts: readonly string[] };
}

const hourMs = 60 * 60_000;
const dayMs = 24 * hourMs;
const authorityLifeMs = 365 * dayMs;
const servingLifeMs = 90 * dayMs;
/** Clocks of the callers may be behind ours by so much. */
const clockSkewMs = hourMs;
/** A new authority signs only when every caller had the time to learn of it. */
const announcedForMs = dayMs;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/**
 * The certificates with whatever is due made anew: each is replaced after two thirds of its life (authority one year,
 * serving certificate 90 days), the serving one also when it lacks a host. The same value when nothing is due.
 */
export async function renewCertificates(
  current: Certificates | undefined,
  hosts: readonly string[],
  nowMs: number,
): Promise<Certificates> {
  const authorities = await renewAuthorities(current?.authorities ?? [], nowMs);
  const signer = authorities.find(({ createdAtMs }) => nowMs - createdAtMs >= announcedForMs) ?? authorities.at(-1);
  if (signer === undefined) throw new Error('no certificate authority was made');
  const serving = current?.serving;
  if (serving === undefined || isWorn(serving, nowMs) || !isSignedByOneOf(serving, authorities)) {
    return { authorities, serving: await makeServing(signer, hosts, nowMs) };
  }
  const missing = hosts.filter((host) => !serving.hosts.includes(host));
  // replicas of two releases may want different hosts: none takes away what another needs before the next renewal
  if (missing.length > 0)
    return { authorities, serving: await makeServing(signer, [...serving.hosts, ...missing], nowMs) };
  return authorities === current?.authorities ? current : { authorities, serving };
}

/** All authorities that callers are to trust, PEM. */
export function authorityBundle({ authorities }: Certificates): string {
  return authorities.map(({ certificate }) => `${certificate.trim()}\n`).join('');
}

async function renewAuthorities(
  authorities: readonly KeptCertificate[],
  nowMs: number,
): Promise<readonly KeptCertificate[]> {
  const [newest] = authorities;
  const living = authorities.filter(({ notAfterMs }) => notAfterMs > nowMs);
  if (newest === undefined || isWorn(newest, nowMs)) return [await makeAuthority(nowMs), ...living];
  return living.length === authorities.length ? authorities : living;
}

/** Past two thirds of its life. */
function isWorn({ createdAtMs, notAfterMs }: KeptCertificate, nowMs: number): boolean {
  return nowMs >= createdAtMs + ((notAfterMs - createdAtMs) * 2) / 3;
}

function isSignedByOneOf({ certificate }: KeptCertificate, authorities: readonly KeptCertificate[]): boolean {
  const serving = new X509Certificate(certificate);
  return authorities.some((authority) => serving.verify(new X509Certificate(authority.certificate).publicKey));
}

async function makeAuthority(nowMs: number): Promise<KeptCertificate> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notAfterMs = nowMs + authorityLifeMs;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // callers choose the authority by its name, so that two of them must not share one
    name: `CN=nanoseg webhook authority ${new Date(nowMs).toISOString()}`,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter: new Date(notAfterMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), privateKey: pem(keys.privateKey), createdAtMs: nowMs, notAfterMs };
}

async function makeServing(
  authority: KeptCertificate,
  hosts: readonly string[],
  nowMs: number,
): Promise<Certificates['serving']> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(authority.certificate);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', bytesOfPem(authority.privateKey), algorithm, false, [
    'sign',
  ]);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notAfterMs = Math.min(nowMs + servingLifeMs, authority.notAfterMs);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=nanoseg webhook',
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter: new Date(notAfterMs),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return {
    certificate: certificate.toString('pem'),
    privateKey: pem(keys.privateKey),
    createdAtMs: nowMs,
    notAfterMs,
    hosts: [...hosts],
  };
}

function pem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}

function bytesOfPem(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'));
}
