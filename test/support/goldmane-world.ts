import { goldmaneSource } from '../../controller/adapters/goldmane/goldmane-source.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { type Flow, unnamedPeer } from '../../controller/model/flow.ts';
import type { Clock, FlowSource, SourcePosition } from '../../controller/ports.ts';
import { type GoldmaneResult, GoldmaneServer } from './goldmane-server.ts';
import { TcpLink } from './tcp-link.ts';
import { TestAuthority, type TestCertificate, testFiles } from './test-certificates.ts';

interface GoldmaneWorldOptions {
  /** Whether a stream begins with the buckets that are there already. @default true */
  readonly replays?: boolean;
  readonly clock?: Clock;
}

/** A Goldmane, the way to it, and a client with a certificate that it accepts. */
export class GoldmaneWorld {
  readonly authority: TestAuthority;
  readonly server: GoldmaneServer;
  readonly link: TcpLink;
  readonly files: ReturnType<typeof testFiles<'ca' | 'cert' | 'key'>>;
  readonly #clock: Clock;
  #played = 0;

  private constructor(parts: Pick<GoldmaneWorld, 'authority' | 'server' | 'link' | 'files'>, clock: Clock) {
    this.authority = parts.authority;
    this.server = parts.server;
    this.link = parts.link;
    this.files = parts.files;
    this.#clock = clock;
  }

  static async open({ replays = true, clock = systemClock }: GoldmaneWorldOptions = {}): Promise<GoldmaneWorld> {
    const authority = await TestAuthority.create();
    const [shown, client] = await Promise.all([
      authority.issue(['goldmane', '127.0.0.1']),
      authority.issue(['nanoseg']),
    ]);
    const server = await GoldmaneServer.start({ authority: authority.certificate, ...shown, replays });
    const link = await TcpLink.to(server.port);
    const files = testFiles({ ca: authority.certificate, cert: client.certificate, key: client.privateKey });
    return new GoldmaneWorld({ authority, server, link, files }, clock);
  }

  get address(): string {
    return `127.0.0.1:${this.link.port}`;
  }

  source(position?: SourcePosition): FlowSource {
    return goldmaneSource({ address: this.address, tls: this.files.paths, position, clock: this.#clock });
  }

  /** The client shows this certificate from its next connection on. */
  show({ certificate, privateKey }: TestCertificate): void {
    this.files.write('cert', certificate);
    this.files.write('key', privateKey);
  }

  /** One more bucket, of so many connections that were not there before; answers with what they are to us. */
  play(count: number, { isStreamed = true } = {}): Flow[] {
    const numbers = Array.from({ length: count }, () => ++this.#played);
    const startS = this.server.bucket(numbers.map(resultOf), { isStreamed });
    return numbers.map((number) => flowOf(number, startS));
  }

  async close(): Promise<void> {
    this.server.close();
    await this.link.close();
    this.files.remove();
  }
}

/** As the source's node reports it; every number is another client. */
export function resultOf(number: number): GoldmaneResult {
  return {
    source: { name: `client-${number}`, namespace: 'shop', type: 1, labels: ['app=client'] },
    dest: { name: 'web-7c9f8d-*', namespace: 'shop', type: 1 },
    port: 8080,
    reporter: 1,
    action: 1,
    packetsIn: 3,
    packetsOut: 4,
    bytesIn: 300,
    bytesOut: 400,
    started: 2,
  };
}

function flowOf(number: number, startS: number): Flow {
  return {
    timeMs: startS * 1_000,
    endMs: (startS + 15) * 1_000,
    client: { ...unnamedPeer, namespace: 'shop', pod: `client-${number}`, labels: ['app=client'] },
    server: { ...unnamedPeer, namespace: 'shop', podPrefix: 'web-7c9f8d-' },
    clientPort: 0,
    port: 8080,
    addressed: undefined,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 2,
    bytes: 700,
    source: 'goldmane',
    node: '',
  };
}
