import { Command, Option } from 'commander';
import { graphDot } from '../../controller/graph/exports/dot.ts';
import { graphGexf } from '../../controller/graph/exports/gexf.ts';
import { graphJson } from '../../controller/graph/exports/graphology-json.ts';
import { graphMermaid } from '../../controller/graph/exports/mermaid.ts';
import { type GraphPicture, pictureOf } from '../../controller/graph/exports/picture.ts';
import { addObservationOptions, type ObservationOptions, observeTraffic, reportLeftOut } from '../observe-traffic.ts';
import type { Terminal } from '../terminal.ts';

interface Options extends ObservationOptions {
  readonly output: 'json' | 'dot' | 'mermaid' | 'gexf';
  readonly namespace?: string;
}

const help = `
Examples:
  $ nanoseg graph --cluster manifests/ --flows flows.json -o dot | dot -Tsvg > traffic.svg
  $ nanoseg graph --cluster manifests/ --flows flows.json -o mermaid -n shop

JSON is graphology's export format, with all evidence of each connection; GEXF is for Gephi.`;

export function graphCommand(terminal: Terminal): Command {
  const command = new Command('graph')
    .summary('draw who was seen talking to whom')
    .description('Writes the traffic graph: workloads, nodes and addresses, and the connections seen between them.');
  return addObservationOptions(command)
    .addOption(new Option('-o, --output <format>').choices(['json', 'dot', 'mermaid', 'gexf']).default('json'))
    .option('-n, --namespace <name>', 'only what workloads of this namespace take part in')
    .addHelpText('after', help)
    .action(async ({ output, namespace, ...input }: Options) => {
      const observed = await observeTraffic(input, terminal);
      reportLeftOut(observed, terminal);
      const picture = pictureOf(observed.traffic, namespace);
      if (picture.nodes.length === 0) {
        terminal.err(`there is nothing to draw${namespace === undefined ? '' : ` in namespace ${namespace}`}\n`);
      }
      for (const part of written(picture, output)) terminal.out(part);
    });
}

function written(picture: GraphPicture, output: Options['output']): Iterable<string> {
  switch (output) {
    case 'json':
      return graphJson(picture);
    case 'dot':
      return graphDot(picture);
    case 'mermaid':
      return graphMermaid(picture);
    case 'gexf':
      return [graphGexf(picture)];
  }
}
