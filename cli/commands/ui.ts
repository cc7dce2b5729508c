import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { problem } from '../../controller/model/problem.ts';
import { defaultSystemNamespace } from '../connection.ts';
import { requireWorkspace } from '../connect.ts';
import { InputError, type Terminal } from '../terminal.ts';
import type { Upstream } from '../ui-proxy.ts';

interface Options {
  readonly workspace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly systemNamespace: string;
  readonly server?: string;
  readonly serverCa?: string;
  readonly tokenFile?: string;
  readonly port: number;
  readonly open: boolean;
}

/** The port of Service nanoseg-page (examples/install/service.yaml). */
const pagePort = 8445;

const help = `
Examples:
  $ nanoseg ui
  the page is at http://127.0.0.1:41873/3vQ…/   (Ctrl-C ends it)
  $ nanoseg ui --server https://nanoseg.example:8445 --server-ca ca.crt
  $ nanoseg ui --workspace examples/shop --no-open

In a cluster it is a way through this machine to the controller, by the API server's proxy to Service nanoseg-page or straight to
--server. It adds the token of the kubeconfig, so that the page shows and does what you may, and takes only requests with the
secret in its address: give that address to nobody. A kubeconfig with a client certificate has no token: name one with
--token-file (kubectl create token makes one for a service account). In a workspace it opens the page of the controller that
runs there with --http-port.`;

export function uiCommand(terminal: Terminal): Command {
  return new Command('ui')
    .summary('open the page')
    .description('Opens the page with the traffic graph and the proposals.')
    .option('--workspace <dir>', 'of the controller that runs on a workspace directory')
    .option('--kubeconfig <file>', 'kubeconfig of the cluster (default: KUBECONFIG, ~/.kube/config)')
    .option('--context <name>', 'context of the kubeconfig')
    .addOption(new Option('--system-namespace <name>', "nanoseg's own namespace").default(defaultSystemNamespace))
    .option('--server <url>', 'the controller itself, instead of the proxy of the API server')
    .option('--server-ca <file>', 'who signed its certificate (PEM; the ConfigMap nanoseg-ca has it)')
    .option('--token-file <file>', 'take the token from there')
    .addOption(new Option('--port <port>', 'port on this machine; 0: any').argParser(Number).default(0))
    .option('--no-open', 'only print the address')
    .addHelpText('after', help)
    .action(async (options: Options) => {
      if (!Number.isInteger(options.port) || options.port < 0 || options.port > 65_535) {
        throw new InputError([problem('ArgumentInvalid', '--port is no port')]);
      }
      if (options.workspace === undefined) await throughProxy(options, terminal);
      else await show(await pageOfWorkspace(options.workspace), options, terminal);
    });
}

async function throughProxy(options: Options, terminal: Terminal): Promise<void> {
  const [{ UiProxy }, upstream] = await Promise.all([import('../ui-proxy.ts'), upstreamOf(options)]);
  const proxy = await UiProxy.open(upstream, options.port);
  try {
    await show(proxy.url, options, terminal);
    const signal = terminal.interrupted?.() ?? AbortSignal.abort();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    await proxy.close();
  }
}

async function upstreamOf(options: Options): Promise<Upstream> {
  const { kubeconfig, context, server, serverCa, tokenFile, systemNamespace } = options;
  const { KubeconfigError, loadKubeAccess } = await import('../../controller/adapters/kubernetes/kube-access.ts');
  const named = () => (tokenFile === undefined ? undefined : textOf(tokenFile));
  try {
    const access =
      server !== undefined && tokenFile !== undefined ? undefined : loadKubeAccess({ kubeconfig, context });
    const authorized = async () => {
      const credentials = await access?.credentials();
      const token = (await named())?.trim();
      const authorization = token === undefined ? credentials?.authorization : `Bearer ${token}`;
      if (authorization?.startsWith('Bearer ') !== true) throw noToken(access?.context);
      return { authorization, credentials };
    };
    // what is missing is said before a page opens that cannot show anything
    await authorized();
    if (server !== undefined) {
      const ca = serverCa === undefined ? undefined : await textOf(serverCa);
      const url = new URL(server).href.replace(/\/+$/, '');
      return {
        url,
        credentials: async () => ({ headers: { authorization: (await authorized()).authorization }, tls: { ca } }),
      };
    }
    const path = `/api/v1/namespaces/${systemNamespace}/services/https:nanoseg-page:${pagePort}/proxy`;
    return {
      url: `${access?.server}${path}`,
      credentials: async () => {
        const { authorization, credentials } = await authorized();
        const own = credentials?.authorization;
        // the API server takes its own header away
        const headers = { ...(own !== undefined && { authorization: own }), 'x-nanoseg-authorization': authorization };
        return { headers, tls: credentials?.tls ?? {} };
      },
    };
  } catch (error) {
    if (!(error instanceof KubeconfigError)) throw error;
    throw new InputError([problem('KubeconfigUnusable', error.message)]);
  }
}

function noToken(context: string | undefined): InputError {
  const who = context === undefined ? 'there is' : `context ${context} has`;
  return new InputError([
    problem(
      'KubeconfigUnusable',
      `${who} no token, and a certificate says who you are to the API server alone: --token-file`,
    ),
  ]);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new InputError([problem('InputNotFound', (error as Error).message, path)]);
  }
}

/** Where the controller of a workspace serves its page. Throws InputError where none does. */
async function pageOfWorkspace(workspace: string): Promise<string> {
  await requireWorkspace(workspace);
  const { workspacePaths } = await import('../../controller/adapters/workspace/workspace-paths.ts');
  const url = await readFile(workspacePaths(workspace).page, 'utf8').catch(() => '');
  const alive =
    url !== '' &&
    (await fetch(`${url.trim()}/healthz`)
      .then(({ ok }) => ok)
      .catch(() => false));
  if (alive) return `${url.trim()}/`;
  const start = `nanoseg controller --workspace ${workspace} --flows DIR --http-port 8080`;
  throw new InputError([
    problem('HttpUnusable', `no controller serves a page here: start it with ${start}`, workspace),
  ]);
}

async function show(url: string, { open, workspace }: Options, { out, err }: Terminal): Promise<void> {
  out(`the page is at ${url}${workspace === undefined ? '   (Ctrl-C ends it)' : ''}\n`);
  if (!open || process.env['NANOSEG_NO_BROWSER'] !== undefined) return;
  const command = process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open';
  const browser = spawn(command, [url], { stdio: 'ignore', detached: true });
  browser.on('error', () => err('no browser could be opened: open the address yourself\n')).unref();
}
