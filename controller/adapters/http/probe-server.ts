import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express, type Request } from 'express';
import type { Problem } from '../../model/problem.ts';

export interface Probes {
  /** Undefined: ready; else what is missing, in words. */
  readonly unready: () => string | undefined;
  /** What does not work although it is ready, for people who look. */
  readonly degraded: () => readonly Problem[];
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface ProbeServer {
  readonly port: number;
  close(): Promise<void>;
}

/** `/healthz`, `/readyz` and `/metrics` for the kubelet and Prometheus. Rejects when the port cannot be had. */
export async function serveProbes(
  port: number,
  host: string,
  { unready, degraded, metrics }: Probes,
): Promise<ProbeServer> {
  const app = express().disable('x-powered-by');
  mountProbes(app, { unready, degraded, metrics });
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = app.listen(port, host, (error?: Error) => (error ? reject(error) : resolve(listening)));
  });
  server.requestTimeout = 10_000;
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The same three paths on any application; `mayLook` rejects for those who may not see figures. */
export function mountProbes(
  app: Express,
  { unready, degraded, metrics }: Probes,
  mayLook?: (request: Request) => Promise<void>,
): void {
  app.get('/healthz', (_request, response) => void response.type('text/plain').send('ok\n'));
  app.get('/readyz', (_request, response) => {
    const missing = unready();
    const without = degraded().map(
      ({ code, message, where }) => `without: ${message} (${[code, where].filter(Boolean).join(', ')})\n`,
    );
    response
      .status(missing === undefined ? 200 : 503)
      .type('text/plain')
      .send(`${missing ?? 'ready'}\n${without.join('')}`);
  });
  app.get('/metrics', async (request, response) => {
    await mayLook?.(request);
    const { contentType, body } = await metrics();
    response.set('Content-Type', contentType).send(body);
  });
}
