import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { problem } from '../../controller/model/problem.ts';
import { defaultSystemNamespace } from '../connection.ts';
import { requireWorkspace } from '../connect.ts';
import { InputError, type Terminal } from '../terminal.ts';
import { type UpstreamOptions, upstreamOf } from '../ui-upstream.ts';

interface Options extends UpstreamOptions {
  readonly workspace?: string;
  readonly port: number;
  readonly open: boolean;
}

const help = `
Examples:
  $ nanoseg ui
  the page is at http://127.0.0.1:41873/3vQ…/   (Ctrl-C ends it)
  $ nanoseg ui --server https://nanoseg.example:8445 --server-ca ca.crt
  $ nanoseg ui --workspace examples/shop --no-open

In a cluster it is a way through this machine to the controller, by the API server's proxy to Service nanoseg-page or straight to
--server. It adds the token of the kubeconfig, so that the page shows and does what you may, and takes only requests with the
secret in its address: give that address to nobody. Tokens of credential plugins are renewed as they expire. A client certificate
cannot be passed on: decide with nanoseg approve, which takes it, and look as a service account by --token-file (kubectl create
token makes one). In a workspace it opens the page of the controller that runs there with --http-port.`;

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
