import { ciliumDialect } from './cilium.ts';
import type { Dialect, DialectName } from './dialect.ts';
import { kubernetesDialect } from './kubernetes.ts';

const dialects: Readonly<Record<DialectName, Dialect>> = { kubernetes: kubernetesDialect, cilium: ciliumDialect };

export function dialect(name: DialectName): Dialect {
  return dialects[name];
}
