import type { PolicyProposal } from '../model/policy-proposal.ts';

/** Versions of one object that were written and may still come back as news. */
const remembered = 16;

/**
 * What was just written, until the view has caught up. The view tells of our own writes one by one and late: those are
 * echoes, and only what somebody else wrote makes the latest of ours stale.
 */
export class OwnWrites {
  readonly #latest = new Map<string, PolicyProposal>();
  readonly #versions = new Map<string, string[]>();

  written(key: string, proposal: PolicyProposal): void {
    this.#latest.set(key, proposal);
    const versions = [...(this.#versions.get(key) ?? []), proposal.metadata.resourceVersion ?? ''];
    this.#versions.set(key, versions.slice(-remembered));
  }

  /** The view has this now, or no object of that key any more. */
  noticed(key: string, seen: PolicyProposal | undefined): void {
    const version = seen?.metadata.resourceVersion ?? '';
    const versions = this.#versions.get(key) ?? [];
    const isEcho = versions.includes(version);
    if (isEcho && version !== this.#latest.get(key)?.metadata.resourceVersion) return;
    this.forget(key);
  }

  /** The next look is at what the view has. */
  forget(key: string): void {
    this.#latest.delete(key);
    this.#versions.delete(key);
  }

  latest(key: string): PolicyProposal | undefined {
    return this.#latest.get(key);
  }
}
