import { Command } from 'commander';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import { problem } from '../../controller/model/problem.ts';
import { addConnectionOptions, type Connect, type ConnectionOptions } from '../connection.ts';
import { whatMayBeRead } from '../../controller/serving/what-may-be-read.ts';
import { stopAnnotation, stopReason } from '../stop-annotation.ts';
import { InputError, type Terminal } from '../terminal.ts';

const help = `
Examples:
  $ nanoseg resume
  $ nanoseg resume -n shop

Without -n the switch of the whole cluster is taken back; namespaces that were stopped by themselves stay stopped.`;

export function resumeCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('resume')
    .summary('take the kill switch back')
    .description('Lets nanoseg write again, in the cluster or in one namespace.');
  return addConnectionOptions(command, false)
    .addHelpText('after', help)
    .action(async (options: ConnectionOptions) => {
      const { store, systemNamespace } = await connect(options);
      const { namespace } = options;
      const ref =
        namespace === undefined
          ? { kind: 'SegmentationProfile', namespace: systemNamespace, name: 'default' }
          : { kind: 'Namespace', namespace: '', name: namespace };
      const where = namespace === undefined ? 'in the whole cluster' : `in namespace ${namespace}`;
      try {
        await store.annotate(ref, { [stopAnnotation]: null });
      } catch (error) {
        // without a profile nothing was stopped
        if (namespace !== undefined || !(error instanceof ClusterError) || error.code !== 'NotFound') throw error;
      }
      const left = stopReason(await whatMayBeRead(store.get(ref), undefined));
      if (left !== undefined) {
        const message = `${where} it is still stopped: ${left}; the annotation ${stopAnnotation} stands in the manifest of ${ref.kind} ${ref.name}`;
        throw new InputError([problem('RequestRefused', message)]);
      }
      terminal.out(`resumed ${where}\n`);
    });
}
