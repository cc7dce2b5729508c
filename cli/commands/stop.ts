import { Command } from 'commander';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import { resourceApiVersion } from '../../controller/model/policy-proposal.ts';
import { problem } from '../../controller/model/problem.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { addConnectionOptions, type Connect, type ConnectionOptions } from '../connection.ts';
import type { StoredProfile } from '../effective-profile.ts';
import { stopAnnotation } from '../stop-annotation.ts';
import { InputError, type Terminal } from '../terminal.ts';

interface Options extends ConnectionOptions {
  readonly reason: string;
}

const help = `
Examples:
  $ nanoseg stop -m "incident 4711: no changes until it is understood"
  $ nanoseg stop -n shop -m "release week"

Without -n nothing is written in the whole cluster: no policy, no proposal, no repair and no rollback. Policies in force stay in
force. The switch is the annotation nanoseg.io/stop on the SegmentationProfile default in nanoseg's namespace, or on a Namespace.
nanoseg resume takes it back.`;

export function stopCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('stop')
    .summary('the kill switch: nanoseg writes nothing any more')
    .description('Stops all writes of nanoseg, in the cluster or in one namespace.')
    .requiredOption('-m, --reason <text>', 'why, shown by nanoseg status');
  return addConnectionOptions(command, false)
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const reason = options.reason.trim();
      if (reason === '') throw new InputError([problem('ArgumentInvalid', '--reason must say something')]);
      const { store, systemNamespace } = await connect(options);
      const { namespace } = options;
      if (namespace !== undefined) {
        await store.annotate({ kind: 'Namespace', namespace: '', name: namespace }, { [stopAnnotation]: reason });
        terminal.out(`stopped in namespace ${namespace}\n`);
        return;
      }
      const ref = { kind: 'SegmentationProfile', namespace: systemNamespace, name: 'default' };
      const stop = () => store.annotate(ref, { [stopAnnotation]: reason });
      try {
        await stop();
      } catch (error) {
        if (!(error instanceof ClusterError) || error.code !== 'NotFound') throw error;
        await createProfile(store, systemNamespace);
        await stop();
      }
      terminal.out('stopped in the whole cluster\n');
    });
}

/** A profile that sets nothing, for the switch to stand on. */
async function createProfile(store: ObjectStore, namespace: string): Promise<void> {
  const metadata = { namespace, name: 'default' };
  try {
    await store.create<StoredProfile>({
      apiVersion: resourceApiVersion,
      kind: 'SegmentationProfile',
      metadata,
      spec: {},
    });
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'AlreadyExists') throw error;
  }
}
