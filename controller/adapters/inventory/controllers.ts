import { type LabelSelector, matchesSelector, selectsEverything } from '../../model/label-selector.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { type CronSchedule, type WorkloadKey, type WorkloadRef, workloadKey } from '../../model/workload.ts';
import { groupOf, isRecord, type LocatedObject } from './located-object.ts';
import {
  cronJobFields,
  jobFields,
  mapSelectingOwnerFields,
  type metadataFields,
  referringOwnerFields,
  selectingOwnerFields,
} from './object-schemas.ts';
import { type PodShape, shapeOfTemplate } from './pod-template.ts';
import { readFields } from './read-fields.ts';
import type { z } from 'zod';

/** An object that makes pods, as its manifest says. */
export interface Controller {
  readonly ref: WorkloadRef;
  readonly selector: LabelSelector | undefined;
  readonly template: PodShape | undefined;
  readonly replicas: number | undefined;
  readonly schedule: CronSchedule | undefined;
  /** Who owns it, where it is only a step between the pods and the root: a ReplicaSet, a ReplicationController, a Job. */
  readonly owner: WorkloadRef | undefined;
  /** A Deployment whose template this owner runs in its place (Rollout's workloadRef). */
  readonly runs: WorkloadRef | undefined;
  readonly where: string;
}

/** Every object among these that makes pods: the built-in ones, and any other with a selector and a pod template. */
export function controllersOf(
  objects: readonly LocatedObject[],
  problems: Problem[],
): ReadonlyMap<WorkloadKey, Controller> {
  const controllers = new Map<WorkloadKey, Controller>();
  for (const object of objects) {
    const controller = controllerOf(object, problems);
    if (controller) controllers.set(workloadKey(controller.ref), controller);
  }
  return controllers;
}

function controllerOf(object: LocatedObject, problems: Problem[]): Controller | undefined {
  switch (`${groupOf(object.apiVersion)}/${object.kind}`) {
    case 'apps/Deployment':
    case 'apps/StatefulSet':
    case 'apps/DaemonSet':
    case 'apps/ReplicaSet':
      return selectingOwner(object, problems);
    case '/ReplicationController':
      return mapSelectingOwner(object, problems);
    case 'batch/Job':
      return job(object, problems);
    case 'batch/CronJob':
      return cronJob(object, problems);
    default:
      return customOwner(object, problems);
  }
}

const nothingElse = {
  selector: undefined,
  template: undefined,
  schedule: undefined,
  owner: undefined,
  runs: undefined,
};

function selectingOwner(object: LocatedObject, problems: Problem[]): Controller | undefined {
  const fields = readFields(selectingOwnerFields, object, problems);
  if (!fields) return undefined;
  const selector = fields.spec.selector as LabelSelector;
  const template = shapeOfTemplate(fields.spec.template);
  if (selectsEverything(selector) || !matchesSelector(selector, template.labels)) {
    const called = `${object.kind} ${object.namespace}/${object.name}`;
    const message = `${called}: spec.selector does not select the labels of its own template`;
    problems.push(problem('ObjectInvalid', message, object.where));
    return undefined;
  }
  return {
    ...nothingElse,
    ref: refOf(object),
    selector,
    template,
    replicas: object.kind === 'DaemonSet' ? undefined : (fields.spec.replicas ?? 1),
    owner: object.kind === 'ReplicaSet' ? ownerIn(object.namespace, fields.metadata) : undefined,
    where: object.where,
  };
}

function mapSelectingOwner(object: LocatedObject, problems: Problem[]): Controller | undefined {
  const fields = readFields(mapSelectingOwnerFields, object, problems);
  if (!fields) return undefined;
  const template = shapeOfTemplate(fields.spec.template);
  return {
    ...nothingElse,
    ref: refOf(object),
    selector: { matchLabels: fields.spec.selector ?? template.labels },
    template,
    replicas: fields.spec.replicas ?? 1,
    owner: object.kind === 'ReplicationController' ? ownerIn(object.namespace, fields.metadata) : undefined,
    where: object.where,
  };
}

function job(object: LocatedObject, problems: Problem[]): Controller | undefined {
  const fields = readFields(jobFields, object, problems);
  return (
    fields && {
      ...nothingElse,
      ref: refOf(object),
      template: shapeOfTemplate(fields.spec.template),
      replicas: fields.spec.parallelism ?? 1,
      owner: ownerIn(object.namespace, fields.metadata),
      where: object.where,
    }
  );
}

function cronJob(object: LocatedObject, problems: Problem[]): Controller | undefined {
  const fields = readFields(cronJobFields, object, problems);
  if (!fields) return undefined;
  const { schedule, timeZone, suspend, jobTemplate } = fields.spec;
  return {
    ...nothingElse,
    ref: refOf(object),
    template: shapeOfTemplate(jobTemplate.spec.template),
    replicas: undefined,
    schedule: { expression: schedule, timeZone: timeZone ?? undefined, suspended: suspend ?? false },
    where: object.where,
  };
}

function customOwner(object: LocatedObject, problems: Problem[]): Controller | undefined {
  const { spec } = object.body;
  if (!isRecord(spec)) return undefined;
  if (isRecord(spec['workloadRef']) && spec['template'] === undefined) {
    const fields = readFields(referringOwnerFields, object, problems);
    if (!fields) return undefined;
    const { kind, name } = fields.spec.workloadRef;
    return {
      ...nothingElse,
      ref: refOf(object),
      replicas: fields.spec.replicas ?? undefined,
      runs: { namespace: object.namespace, kind, name },
      where: object.where,
    };
  }
  const { selector, template } = spec;
  if (!isRecord(selector) || !isRecord(template) || !isRecord(template['spec'])) return undefined;
  if (!Array.isArray(template['spec']['containers'])) return undefined;
  const bare = !isRecord(selector['matchLabels']) && !Array.isArray(selector['matchExpressions']);
  const owner = bare ? mapSelectingOwner(object, problems) : selectingOwner(object, problems);
  return owner && { ...owner, replicas: typeof spec['replicas'] === 'number' ? owner.replicas : undefined };
}

function refOf({ namespace, kind, name }: LocatedObject): WorkloadRef {
  return { namespace, kind, name };
}

/** The controller among the owner references; a Node (of a static pod) makes no pods. */
export function ownerIn(
  namespace: string,
  { ownerReferences }: z.infer<typeof metadataFields>,
): WorkloadRef | undefined {
  const references = (ownerReferences ?? []).filter(({ kind }) => kind !== 'Node');
  const owner = references.find(({ controller }) => controller === true) ?? references[0];
  return owner && { namespace, kind: owner.kind, name: owner.name };
}
