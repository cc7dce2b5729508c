import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import type { CloudEvent } from '../../../controller/adapters/notify/cloud-events.ts';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: CloudEvent;
}

/** What the receiver says to the next request; `hang`: nothing, `reset`: it closes the connection. */
type Answer =
  | number
  | 'hang'
  | 'reset'
  | { readonly status: number; readonly headers: Readonly<Record<string, string>> };

/** A real HTTP server that answers as told, and with 204 when nothing is told. */
export async function startReceiver(t: ExecutionContext, ...answers: Answer[]) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      received.push({ headers: request.headers, body, event: JSON.parse(body) });
      const answer = answers.shift() ?? 204;
      if (answer === 'hang') return;
      if (answer === 'reset') request.socket.destroy();
      else if (typeof answer === 'number') response.writeHead(answer).end();
      else response.writeHead(answer.status, answer.headers).end('later');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook?token=hidden`, received, answers, server };
}
