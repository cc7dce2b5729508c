import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import express, { type Express, type NextFunction, type Request, type Response, type Router } from 'express';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Clock } from '../../ports.ts';
import { Answers } from './api/answers.ts';
import { ApiProblem } from './api/api-problem.ts';
import type { ApiSource } from './api/api-source.ts';
import { clusterRoutes } from './api/cluster-routes.ts';
import type { EventRing } from './api/event-ring.ts';
import { defaultStreamLimits, EventStreams, type StreamLimits } from './api/event-streams.ts';
import type { Caller, Gate, Sight } from './api/gate.ts';
import { graphRoutes } from './api/graph-routes.ts';
import { apiPrefix, isList, openApiDocument } from './api/openapi.ts';
import { proposalRoutes } from './api/proposal-routes.ts';
import { LazyAnswer, type QueryShape } from './api/route.ts';
import type { Probes } from './probe-server.ts';
import { mountProbes } from './probe-server.ts';
import { type Rate, RateLimit } from './rate-limit.ts';
import { requestGuard } from './request-guard.ts';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface ApiServerLimits {
  readonly bodyBytes: number;
  readonly connections: number;
  /** For headers and body of a request to come. */
  readonly requestMs: number;
  /** A connection on which nothing moves. */
  readonly idleMs: number;
  /** Of one caller. */
  readonly requests: Rate;
  /** Requests without a token that is accepted, from one address. */
  readonly strangers: Rate;
  readonly streams: StreamLimits;
}

const defaultApiLimits: ApiServerLimits = {
  bodyBytes: 65_536,
  connections: 2_048,
  requestMs: 15_000,
  idleMs: 60_000,
  requests: { burst: 600, perSecond: 100 },
  strangers: { burst: 20, perSecond: 1 },
  streams: defaultStreamLimits,
};

export interface ApiServerOptions {
  readonly port: number;
  readonly host: string;
  /** Only users of the machine reach the address. */
  readonly isLoopback: boolean;
  /** Undefined: plain HTTP. */
  readonly certificate: Certificate | undefined;
  readonly source: ApiSource;
  readonly gate: Gate;
  readonly ring: EventRing;
  readonly probes: Probes;
  /** The page at `/`; undefined: none. */
  readonly page: Router | undefined;
  /** Differs for each process. */
  readonly epoch: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<ApiServerLimits>;
  /** Told the status of each answer. */
  readonly answered?: (status: number) => void;
}

/** The page, the API and the probes on one address. */
export class ApiServer {
  readonly streams: EventStreams;
  readonly #server: Server | TlsServer;

  private constructor(server: Server | TlsServer, streams: EventStreams) {
    this.#server = server;
    this.streams = streams;
  }

  /** Rejects when the port cannot be had. */
  static async open(options: ApiServerOptions): Promise<ApiServer> {
    const limits = { ...defaultApiLimits, ...options.limits };
    const { clock, ring, certificate, port, host } = options;
    const streams = new EventStreams(ring, clock, limits.streams);
    const app = application(options, limits, streams);
    const timeouts = {
      requestTimeout: limits.requestMs,
      headersTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(1_000, limits.requestMs),
    };
    const server =
      certificate === undefined
        ? createPlainServer(timeouts, app)
        : createTlsServer(
            { ...certificate, ...timeouts, minVersion: 'TLSv1.2', handshakeTimeout: limits.requestMs },
            app,
          );
    server.maxConnections = limits.connections;
    // who does not read an answer is not waited for; a stream has its heartbeat
    server.timeout = limits.idleMs;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    return new ApiServer(server, streams);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes another certificate over, without closing a connection. */
  renew(certificate: Certificate): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext({ ...certificate, minVersion: 'TLSv1.2' });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

function application(options: ApiServerOptions, limits: ApiServerLimits, streams: EventStreams): Express {
  const { source, gate, ring, probes, page, clock, epoch, isLoopback } = options;
  const app = express().disable('x-powered-by').disable('etag').set('query parser', false);
  const routes = [
    ...graphRoutes((sightKey) => ring.position(sightKey)),
    ...proposalRoutes(gate),
    ...clusterRoutes(gate),
  ];
  const answers = new Answers(clock, epoch);
  const letIn = new Admission(options, limits);
  const document = openApiDocument(routes, source.version);
  app.use((_request, response, next) => {
    response.once('close', () => options.answered?.(response.statusCode));
    next();
  });
  app.use(requestGuard(isLoopback));
  mountProbes(app, probes, async (request) => void (await letIn.admit(request)));
  app.get('/openapi.json', (request, response) => answers.json(request, response, 200, document));
  app.use(express.json({ limit: limits.bodyBytes, strict: true, type: 'application/json' }));
  for (const route of routes) {
    const path = `${apiPrefix}${route.path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
    app[route.method](path, async (request, response) => {
      const { caller, sight, token } = await letIn.admit(request);
      const query = parsed(queryValues(request, route.query), route.query);
      const body = route.body === undefined ? undefined : parsedBody(request.body, route.body);
      const names = request.params as Readonly<Record<string, string>>;
      const asked = { source, caller, sight, token, path: names };
      const answer = await route.handle(asked, query as never, body as never);
      if (!(answer instanceof LazyAnswer)) return answers.json(request, response, route.answers.status, answer);
      await answers.lazy(request, response, `${sight.key} ${request.originalUrl}`, answer);
    });
  }
  app.get(`${apiPrefix}/events`, async (request, response) => {
    const { caller, sight } = await letIn.admit(request);
    streams.open(request, response, { caller, sight, recheck: async () => (await letIn.admit(request)).sight });
  });
  if (page !== undefined) app.use(page);
  app.use((request) => {
    const known = routes.some(({ path, method }) => method === 'post' && pathPattern(path).test(request.path));
    if (known || request.method !== 'GET') {
      throw new ApiProblem(405, 'MethodNotAllowed', `${request.method} is not for this path`);
    }
    throw new ApiProblem(404, 'NoSuchPath', 'nothing is here: /openapi.json has all paths');
  });
  app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    answerError(error, request, response, next, options.log);
  });
  return app;
}

/** Lets requests in, as fast as each may send them. */
class Admission {
  readonly #gate: Gate;
  readonly #requests: RateLimit;
  readonly #strangers: RateLimit;

  constructor({ gate, clock }: ApiServerOptions, limits: ApiServerLimits) {
    this.#gate = gate;
    this.#requests = new RateLimit(limits.requests, clock);
    this.#strangers = new RateLimit(limits.strangers, clock);
  }

  async admit(
    request: Request,
  ): Promise<{ readonly caller: Caller; readonly sight: Sight; readonly token: string | undefined }> {
    const address = request.socket.remoteAddress ?? '';
    const token = tokenIn(request);
    const caller = await this.#callerOf(token, address);
    limited(this.#requests.take(caller.key));
    return { caller, sight: await this.#gate.sightOf(caller, token), token };
  }

  async #callerOf(token: string | undefined, address: string): Promise<Caller> {
    try {
      return await this.#gate.admit(token, address);
    } catch (error) {
      limited(this.#strangers.take(address));
      throw error;
    }
  }
}

function limited(waitS: number | undefined): void {
  if (waitS === undefined) return;
  const headers = { 'Retry-After': `${waitS}` };
  throw new ApiProblem(429, 'TooManyRequests', `too many requests: try again in ${waitS} s`, { headers });
}

/** An API server that passes a request on takes its Authorization away: the second header is for that way. */
function tokenIn(request: Request): string | undefined {
  const text = request.get('x-nanoseg-authorization') ?? request.get('authorization') ?? '';
  return /^Bearer +([\x21-\x7e]{1,16384})$/i.exec(text)?.[1];
}

function queryValues(request: Request, shape: QueryShape): Record<string, string | string[]> {
  const { searchParams } = new URL(request.originalUrl, 'http://localhost');
  const values: Record<string, string | string[]> = {};
  for (const name of searchParams.keys()) {
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (field === undefined) {
      throw new ApiProblem(400, 'ArgumentInvalid', 'there is no such parameter', { where: name.slice(0, 100) });
    }
    const all = searchParams.getAll(name);
    if (!isList(field) && all.length > 1) {
      throw new ApiProblem(400, 'ArgumentInvalid', 'it may come once', { where: name });
    }
    values[name] = isList(field) ? all : (all[0] ?? '');
  }
  for (const [name, field] of Object.entries(shape)) if (isList(field)) values[name] ??= [];
  return values;
}

function parsed(values: unknown, shape: QueryShape): unknown {
  return parsedBody(values, z.object(shape));
}

function parsedBody(value: unknown, schema: z.ZodType): unknown {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ApiProblem(400, 'ArgumentInvalid', issue?.message ?? 'it cannot be used', {
    where: issue?.path.join('.') ?? '',
  });
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${RegExp.escape(apiPrefix)}${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}

function answerError(error: unknown, request: Request, response: Response, next: NextFunction, log: Logger): void {
  const known = error instanceof ApiProblem ? error : requestProblem(error);
  if (response.headersSent) return next(error);
  if (known === undefined) {
    // the path alone: a query may hold what is nobody's business, and headers hold tokens
    log.error({ err: error, method: request.method, path: request.path }, 'a request failed');
  }
  const { status, body, headers } =
    known ?? new ApiProblem(500, 'InternalError', 'this is a fault of nanoseg: its log has more');
  if (status === 413 || status === 408) response.set('Connection', 'close');
  if (status === 401) response.set('WWW-Authenticate', 'Bearer');
  response
    .status(status)
    .set({ ...headers, 'Cache-Control': 'no-store', 'Content-Type': 'application/json; charset=utf-8' })
    .end(JSON.stringify(body));
}

/** What express says of bodies and paths that cannot be read. */
function requestProblem(error: unknown): ApiProblem | undefined {
  const { status, type } = (error ?? {}) as { readonly status?: unknown; readonly type?: unknown };
  if (status === 413) return new ApiProblem(413, 'BodyTooLarge', 'the body is larger than 64 kB');
  if (type === 'request.aborted') return new ApiProblem(400, 'ArgumentInvalid', 'the body was cut off');
  if (status === 415) return new ApiProblem(415, 'MediaTypeRefused', 'expected a body of application/json in UTF-8');
  if (status === 400) return new ApiProblem(400, 'ArgumentInvalid', 'the request cannot be read');
  return undefined;
}
