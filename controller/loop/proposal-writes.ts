import type { MadeProposal } from './made-proposal.ts';
import { type PolicyProposal, type ProposalStatus, resourceApiVersion } from '../model/policy-proposal.ts';
import { counted } from '../model/counted.ts';
import { OwnWrites } from './own-writes.ts';
import type { AuditRecord, ClusterView, Clock, Leadership, ObjectStore } from '../ports.ts';
import type { Making, ProposalStudy } from './proposal-study.ts';
import type { ProposalTexts } from './proposal-texts.ts';
import type { RecordKeeping } from './record-keeping.ts';
import { chooseText } from '../reconcile/choose-text.ts';
import type { CheckedProposal, KeptRecord, SealedProposals } from './sealed-proposals.ts';

export interface WriteParts {
  readonly view: ClusterView;
  readonly store: ObjectStore;
  readonly leadership: Pick<Leadership, 'assertHeld'>;
  readonly clock: Clock;
  /** Tells what nanoseg itself wrote from what others wrote in its name. */
  readonly sealed: SealedProposals;
  readonly texts: ProposalTexts;
  readonly records: RecordKeeping;
}

/** Proposals as this leader reads and writes them: the view is late, and others may write in nanoseg's name. */
export class ProposalWrites {
  readonly #parts: WriteParts;
  readonly #written = new OwnWrites();
  readonly #writtenAt = new Map<string, number>();
  /** What this leader wrote last, by key: a status that another took the place of is put back. */
  readonly #kept = new Map<string, KeptRecord>();

  constructor(parts: WriteParts) {
    this.#parts = parts;
  }

  /** The view has something new of this key. */
  noticed(key: string): void {
    const [namespace = '', name = ''] = key.split('/');
    this.#written.noticed(key, this.stored(namespace, name));
  }

  /** After a failure the next look is at what the view has. */
  forget(key: string): void {
    this.#written.forget(key);
  }

  /** What was written last, while the view has not caught up. */
  latest(key: string): PolicyProposal | undefined {
    return this.#written.latest(key);
  }

  /** As the view has it. */
  stored(namespace: string, name: string): PolicyProposal | undefined {
    return this.#parts.view.proposal(namespace, name);
  }

  /** When its status was last written, in ms; undefined: not by this leader. */
  writtenAtMs(key: string): number | undefined {
    return this.#writtenAt.get(key);
  }

  /**
   * The proposal as far as nanoseg itself wrote it. What somebody else wrote in its name is put right where this leader
   * knows what it was, and else is not acted on.
   */
  async believed(key: string): Promise<Partial<CheckedProposal>> {
    const { store, sealed, clock } = this.#parts;
    const [namespace = '', name = ''] = key.split('/');
    const found = this.#written.latest(key) ?? this.stored(namespace, name);
    const kept = this.#kept.get(key);
    if (found === undefined) {
      this.#kept.delete(key);
      return {};
    }
    if (kept === undefined || kept.uid !== found.metadata.uid || sealed.isAsKept(found, kept)) {
      const { proposal, broken } = sealed.checked(found, kept);
      return broken === undefined
        ? { proposal }
        : { proposal, broken: `what others wrote into its status was dropped at ${isoOf(clock.now())}: ${broken}` };
    }
    // the view may be late
    const live = await store.get<PolicyProposal>({ kind: 'PolicyProposal', namespace, name });
    if (live === undefined || live.metadata.uid !== kept.uid) return sealed.checked(found);
    if (sealed.isAsKept(live, kept)) return { proposal: sealed.checked(live, kept).proposal };
    const why = live.status === undefined ? 'it was gone' : (sealed.checked(live).broken ?? 'it was an earlier one');
    const broken = `its status, which others had changed, was put back at ${isoOf(clock.now())}: ${why}`;
    const written = await this.writeStatus(key, { ...live, status: kept.status }, kept.status, broken);
    await this.#parts.records.record(sealBroken(live, kept.status.digest, broken, clock.now()));
    return { proposal: sealed.checked(written, this.#kept.get(key)).proposal };
  }

  /** The proposal with the text that stands in it from now on; undefined when there is none to be. */
  async withText(
    key: string,
    stored: PolicyProposal | undefined,
    making: Making,
    study: ProposalStudy,
  ): Promise<PolicyProposal | undefined> {
    const made = making.kind === 'made' ? making.made : undefined;
    const known = stored && { proposal: stored, digest: this.#parts.texts.digestOf(stored) };
    const choice = chooseText(known, made && this.#parts.texts.made(made, stored, study));
    switch (choice.kind) {
      case 'none':
        return undefined;
      case 'keep':
        return stored;
      case 'write': {
        if (made === undefined) return stored;
        this.#parts.leadership.assertHeld();
        const written = await this.#writeText(made, stored);
        this.#written.written(key, written);
        const subject = { kind: 'PolicyProposal', namespace: made.namespace, name: made.name };
        const message =
          choice.because === 'new'
            ? `proposed ${counted(made.rules, 'rule')} for ${made.spec.workloads.join(', ') || 'the namespace'}`
            : `proposed anew: ${choice.because === 'reset' ? 'the edit was given up' : 'what was seen has changed'}`;
        await this.#parts.records.record({
          timeMs: this.#parts.clock.now(),
          actor: 'nanoseg',
          action: 'Proposed',
          subject,
          digest: this.#parts.texts.digestOf(written),
          message,
        });
        return written;
      }
    }
  }

  async #writeText(made: MadeProposal, stored: PolicyProposal | undefined): Promise<PolicyProposal> {
    const { store, clock } = this.#parts;
    const digest = this.#parts.texts.digestOf({ metadata: made, spec: made.spec });
    const marks = this.#parts.sealed.proposedMarks(made, digest);
    if (stored === undefined) {
      return store.create<PolicyProposal>({
        apiVersion: resourceApiVersion,
        kind: 'PolicyProposal',
        metadata: {
          namespace: made.namespace,
          name: made.name,
          labels: { 'app.kubernetes.io/managed-by': 'nanoseg' },
          annotations: marks,
        },
        spec: made.spec,
      });
    }
    const { metadata, status } = stored;
    const written = await store.update<PolicyProposal>({
      ...stored,
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...marks } },
      spec: made.spec,
    });
    if (status === undefined || stored.spec.policies === '') return written;
    // kept with the status in memory, and stored with its next write
    const previous = {
      digest: status.digest,
      policies: stored.spec.policies,
      changedAt: new Date(clock.now()).toISOString(),
    };
    return { ...written, status: { ...status, previous } };
  }

  async writeStatus(
    key: string,
    proposal: PolicyProposal,
    said: ProposalStatus,
    broken?: string,
  ): Promise<PolicyProposal> {
    const { leadership, store, sealed, clock } = this.#parts;
    const status = sealed.sealed(proposal, said, clock.now(), broken);
    leadership.assertHeld();
    const written = await store.updateStatus<PolicyProposal>({ ...proposal, status });
    this.#written.written(key, written);
    this.#kept.set(key, { uid: written.metadata.uid, status });
    this.#writtenAt.set(key, clock.now());
    return written;
  }
}

export function sealBroken({ metadata }: PolicyProposal, digest: string, message: string, timeMs: number): AuditRecord {
  const subject = { kind: 'PolicyProposal', namespace: metadata.namespace, name: metadata.name };
  return { timeMs, actor: 'nanoseg', action: 'SealBroken', subject, digest, message };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
