const shortKinds: Readonly<Record<string, string>> = {
  deploy: 'deployment',
  sts: 'statefulset',
  ds: 'daemonset',
  rs: 'replicaset',
  cj: 'cronjob',
  po: 'pod',
};

/** Whether what a person typed means the kind: in any case, plural, or as kubectl shortens it. */
export function isKind(kind: string, asked: string): boolean {
  const lower = asked.toLowerCase();
  const wanted = shortKinds[lower] ?? lower;
  return [wanted, wanted.replace(/s$/, '')].includes(kind.toLowerCase());
}
