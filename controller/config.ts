import { z } from 'zod';

const durationMs = z.number().min(0);
const port = z.int().min(0).max(65_535);

/** A live source of flows, by its address: `host:port`, `tls://host:port` or `unix:///path`. */
const sourceSchema = z
  .strictObject({
    kind: z.enum(['hubble', 'goldmane']),
    address: z.string().min(1),
    /** Files in PEM, read anew for each connection: the authority of the server, the client's certificate and its key. */
    ca: z.string().min(1).optional(),
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    /** The name that the server's certificate is for, where it is not that of the address. */
    serverName: z.string().min(1).optional(),
    /** Of Hubble: ask for replies too, for servers that never say what is one. */
    replies: z.boolean().optional(),
  })
  .refine(
    ({ cert, key }) => (cert === undefined) === (key === undefined),
    'a client certificate and its key go together',
  );

export type LiveSourceConfig = Readonly<z.infer<typeof sourceSchema>>;

/** All that a controller is told at its start; where it may be told otherwise later, a SegmentationProfile says so. */
const configSchema = z
  .strictObject({
    /**
     * `all`: one process does everything. Otherwise any number of processes share flows over Redis (docs/scaling.md): `ingest`
     * takes flows and counts them, `decide` follows what they count, and leads, or is ready to.
     */
    role: z.enum(['all', 'ingest', 'decide']).default('all'),
    /** A workspace directory instead of a cluster. */
    workspace: z.string().min(1).optional(),
    kubeconfig: z.string().min(1).optional(),
    context: z.string().min(1).optional(),
    /** nanoseg's own namespace. */
    ownNamespace: z.string().min(1).default('nanoseg-system'),
    /** Files of flows, or directories of them, which may grow. */
    flows: z.array(z.string().min(1)).default([]),
    /** Live sources, beside the files. */
    sources: z
      .array(sourceSchema)
      .refine(
        (sources) => new Set(sources.map(({ kind, address }) => `${kind} ${address}`)).size === sources.length,
        'each address of a kind stands there once',
      )
      .default([]),
    /** Where evidence and the audit log of a cluster's controller are kept; without it evidence lives in memory alone. */
    dataDirectory: z.string().min(1).optional(),
    /** Evidence is kept in Redis instead (docs/redis.md). Files are read when it is opened. */
    redis: z
      .strictObject({
        url: z.string().min(1),
        /** PEM: the authority of the servers' certificates. */
        ca: z.string().min(1).optional(),
        user: z.string().min(1).optional(),
        passwordFile: z.string().min(1).optional(),
        password: z.string().optional(),
        sentinelPassword: z.string().optional(),
        /** Which evidence there: each controller that observes has its own. @default by the pod or the workspace directory */
        name: z
          .string()
          .regex(/^[\w.:/-]{1,253}$/, 'a name has letters, digits, . _ : / and -')
          .optional(),
        /** What was not seen for so long is forgotten; 0: never. */
        retentionMs: durationMs.default(400 * 86_400_000),
        /** Into how many parts flows are split, each counted by one process. Fixed when a name is first used. @default 16 */
        shards: z.int().min(1).max(1_024).optional(),
        /** So many batches of one part may wait on the server; then those who send have to. @default 20000 */
        waiting: z.int().min(1).optional(),
      })
      .optional(),
    /** How often everything is looked at again. */
    refreshMs: durationMs.default(10_000),
    /** Least time between two writes of figures that move with every flow. */
    figuresMs: durationMs.default(60_000),
    /** How much evidence a crash may cost. */
    flushMs: durationMs.default(5_000),
    leaseMs: z.number().min(300).default(15_000),
    health: z.strictObject({ port, host: z.string().default('0.0.0.0') }).optional(),
    /** Without it approvals are not stamped. `url` is where the API server finds it, when not by the Service. */
    webhook: z.strictObject({ port, host: z.string().optional(), url: z.url().optional() }).optional(),
    /**
     * Where flows are pushed to. A port of a cluster's controller takes service account tokens, and certificates of `clientCa`;
     * in a workspace it is open on loopback, and takes such certificates alone elsewhere. A unix socket is its owner's.
     */
    push: z
      .strictObject({
        port: port.optional(),
        host: z.string().min(1).optional(),
        socket: z.string().min(1).optional(),
        /** PEM files, read again when they change. */
        clientCa: z.string().min(1).optional(),
        cert: z.string().min(1).optional(),
        key: z.string().min(1).optional(),
      })
      .optional(),
    /**
     * The page and the API. On loopback in a workspace they are open; a cluster's controller takes tokens of its users, and
     * elsewhere than on loopback serves TLS, with a certificate of its own where none is given in PEM files.
     */
    http: z
      .strictObject({
        port,
        host: z.string().min(1).default('127.0.0.1'),
        cert: z.string().min(1).optional(),
        key: z.string().min(1).optional(),
      })
      .optional(),
    notify: z.strictObject({ url: z.url(), secret: z.string().min(16) }).optional(),
    /** CloudEvents on standard output. */
    notifyOutput: z.boolean().default(false),
    /** End when all flows are read and every proposal was looked at; for scripts and pipelines. */
    once: z.boolean().default(false),
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  })
  .refine(({ role, redis }) => role === 'all' || redis !== undefined, {
    path: ['role'],
    error: 'processes of different roles share what they see over Redis',
  });

export type ControllerConfig = Readonly<z.infer<typeof configSchema>>;
export type ControllerConfigInput = z.input<typeof configSchema>;

/** Frozen; throws ZodError naming every field that is wrong or unknown. */
export function controllerConfig(input: ControllerConfigInput): ControllerConfig {
  return Object.freeze(configSchema.parse(input));
}
