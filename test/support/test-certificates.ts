import { KeyObject, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as X509 from '@peculiar/x509';
import { loadX509 } from '../../controller/adapters/admission/load-x509.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 24 * 60 * 60_000;

/** PEM. */
export interface TestCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A certificate authority for a test, and what it signs. */
export class TestAuthority {
  readonly certificate: string;
  readonly #issuer: X509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  private constructor(issuer: X509.X509Certificate, key: webcrypto.CryptoKey) {
    this.certificate = issuer.toString('pem');
    this.#issuer = issuer;
    this.#key = key;
  }

  static async create(name = 'test authority'): Promise<TestAuthority> {
    const x509 = await loadX509();
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const issuer = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 10 * dayMs),
      notAfter: new Date(Date.now() + dayMs),
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new TestAuthority(issuer, keys.privateKey);
  }

  /** For a server of these DNS names and addresses, or a client. `endsInMs` from now; negative: it has expired. */
  async issue(names: readonly string[], endsInMs = dayMs): Promise<TestCertificate> {
    const x509 = await loadX509();
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${names[0] ?? 'client'}`,
      issuer: this.#issuer.subject,
      publicKey: keys.publicKey,
      signingKey: this.#key,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 9 * dayMs),
      notAfter: new Date(Date.now() + endsInMs),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
        ),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer),
      ],
    });
    const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
    return { certificate: certificate.toString('pem'), privateKey: key };
  }
}

/** Writes texts to files of those names; answers with their paths. `remove` takes them away. */
export function testFiles<Name extends string>(
  texts: Readonly<Record<Name, string>>,
): { readonly paths: Readonly<Record<Name, string>>; write(name: Name, text: string): void; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'nanoseg-files-'));
  const names = Object.keys(texts) as Name[];
  const paths = Object.fromEntries(names.map((name) => [name, join(directory, name)])) as Record<Name, string>;
  for (const name of names) writeFileSync(paths[name], texts[name]);
  return {
    paths,
    write: (name, text) => writeFileSync(paths[name], text),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
