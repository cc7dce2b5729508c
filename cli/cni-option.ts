import { InvalidArgumentError, Option } from 'commander';
import { type CniName, cniNamed, cniNames } from '../controller/model/profile.ts';

/** `--cni NAME` of every command, with the names listed in its help. */
export function cniOption(description: string): Option {
  return new Option('--cni <name>', `${description} (${cniNames.join(', ')})`).argParser((name): CniName => {
    const known = cniNamed(name);
    if (known === undefined) throw new InvalidArgumentError(`Allowed choices are ${cniNames.join(', ')}.`);
    return known;
  });
}
