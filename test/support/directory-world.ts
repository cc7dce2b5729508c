import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileAuditLog } from '../../controller/adapters/audit/file-audit-log.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { DirectoryStore } from '../../controller/adapters/workspace/directory-store.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import { renderYaml, renderYamlDocuments } from '../../controller/policy/render-yaml.ts';
import type { WorldBackend } from './controller-world.ts';

/** Folders of what is written lastingly. */
const lasting = ['proposals', 'policies', 'approvals', 'profiles', 'annotations', 'audit.jsonl', 'audit.head.json'];

/** A workspace directory, in which people write files. */
export function directoryBackend(root: string): WorldBackend {
  const store = new DirectoryStore({ root, clock: systemClock, report: () => undefined });
  const write = async (file: string, text: string) => {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), text);
  };
  // one file a namespace, as a dump of it would be
  const dumps = new Map<string, Map<string, KubernetesObject>>();
  const change = async (namespace: string, act: (dump: Map<string, KubernetesObject>) => void) => {
    const dump = dumps.get(namespace) ?? new Map<string, KubernetesObject>();
    dumps.set(namespace, dump);
    act(dump);
    await write(`cluster/${namespace}.yaml`, renderYamlDocuments([...dump.values()]));
  };
  const put = async (object: KubernetesObject) =>
    change(object.metadata.namespace ?? '', (dump) => dump.set(`${object.kind}/${object.metadata.name}`, object));
  return {
    store,
    stamps: false,
    config: { workspace: root },
    makeNamespace: (name, labels) =>
      change(name, (dump) => dump.set('', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })),
    put,
    take: ({ kind, namespace, name }) => change(namespace, (dump) => dump.delete(`${kind}/${name}`)),
    writeForeignPolicy: put,
    editPolicy: async (policy) =>
      write(`policies/${policy.metadata.namespace}/${policy.metadata.name}.yaml`, renderYaml(policy)),
    canDecide: async () => true,
    decide: async (user, approval) => {
      const claim = { user, time: new Date().toISOString() };
      return store.create({ ...approval, spec: { claim, ...approval.spec } });
    },
    audit: () => new FileAuditLog({ root, clock: systemClock }).entries(),
    versions: async () => {
      const found = new Map<string, string>();
      for (const top of lasting) for (const file of await filesIn(join(root, top))) found.set(...file);
      return found;
    },
  };
}

async function filesIn(path: string): Promise<[path: string, version: string][]> {
  const entry = await stat(path, { bigint: true }).catch(() => undefined);
  if (entry === undefined) return [];
  if (!entry.isDirectory()) return [[path, `${entry.ino} ${entry.mtimeNs}`]];
  const names = await readdir(path);
  return (await Promise.all(names.map((name) => filesIn(join(path, name))))).flat();
}
