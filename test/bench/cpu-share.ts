import { accessSync, constants, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = '/sys/fs/cgroup';
/** Short, so that nobody waits long for the rest of the period. */
const periodUs = 10_000;

/** A part of one core, which all processes that are put into it have together. */
export interface CpuShare {
  /** With all of its threads, as they are now and as they come. */
  readonly hold: (pid: number) => void;
  /** When none of its processes is left. */
  readonly end: () => void;
}

/**
 * Makes a control group of Linux with a quota; undefined where we may not. Source: `cpu.max` of version 2 and
 * `cpu.cfs_quota_us` of version 1 in the kernel's documentation of control groups.
 */
export function cpuShare(name: string, cores: number): CpuShare | undefined {
  const isSecond = existsSync(join(root, 'cgroup.controllers'));
  const parent = isSecond ? root : join(root, 'cpu');
  const group = join(parent, `nanoseg-bench-${process.pid}-${name}`);
  const quotaUs = Math.round(cores * periodUs);
  try {
    accessSync(parent, constants.W_OK);
    if (isSecond) writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
    mkdirSync(group);
    if (isSecond) writeFileSync(join(group, 'cpu.max'), `${quotaUs} ${periodUs}`);
    else {
      writeFileSync(join(group, 'cpu.cfs_period_us'), `${periodUs}`);
      writeFileSync(join(group, 'cpu.cfs_quota_us'), `${quotaUs}`);
    }
  } catch {
    return undefined;
  }
  return {
    hold: (pid) => writeFileSync(join(group, 'cgroup.procs'), `${pid}`),
    end: () => rmdirSync(group),
  };
}
