import type { z } from 'zod';
import type { TextRoom } from '../../../view/text-room.ts';
import type { ApiSource } from './api-source.ts';
import type { Caller, Sight } from './gate.ts';

/** A request that was let in and understood. */
export interface ApiRequest {
  readonly source: ApiSource;
  readonly caller: Caller;
  readonly sight: Sight;
  /** Only to act for the caller; logged and kept nowhere. */
  readonly token: string | undefined;
  readonly path: Readonly<Record<string, string>>;
}

/** A query: a list takes a parameter as often as it comes. */
export type QueryShape = Readonly<Record<string, z.ZodType>>;
export type QueryOf<Shape extends QueryShape> = { readonly [Name in keyof Shape]: z.output<Shape[Name]> };

/** Writes a text into a room step by step; between steps the room may be emptied, and others may have their turn. */
export type Written = (room: TextRoom) => Iterable<void>;

/** An answer that is made only when the caller does not have it already. */
export interface Lazily {
  /** Says all that the answer depends on. */
  readonly mark: string;
  readonly make: () => { readonly type: string; readonly text: string | Iterable<string> | Written };
}

export interface ApiRoute {
  readonly method: 'get' | 'post';
  /** As express and OpenAPI spell it, without `/api/v1`: `/proposals/{namespace}/{name}`. */
  readonly path: string;
  readonly summary: string;
  readonly query: QueryShape;
  /** Of a POST. */
  readonly body?: z.ZodType;
  readonly answers: {
    readonly status: number;
    readonly schema: z.ZodType;
    /** Other forms than JSON. */
    readonly types?: readonly string[];
  };
  /** Statuses of errors, beside those that every route may answer with. */
  readonly errors: readonly number[];
  /** Answers with a value for JSON. Rejects with ApiProblem. */
  readonly handle: (request: ApiRequest, query: never, body: never) => Promise<unknown>;
}

type ReadOnly<Type> = Type extends readonly (infer Item)[]
  ? readonly ReadOnly<Item>[]
  : Type extends object
    ? { readonly [Key in keyof Type]: ReadOnly<Type[Key]> }
    : Type;

/** Holds handler and shapes of a route together at compile time. */
export function route<Query extends QueryShape, Answer extends z.ZodType, Body extends z.ZodType = z.ZodNever>(
  made: Omit<ApiRoute, 'handle' | 'query' | 'body' | 'answers'> & {
    readonly query: Query;
    readonly body?: Body;
    readonly answers: ApiRoute['answers'] & { readonly schema: Answer };
    readonly handle: (
      request: ApiRequest,
      query: QueryOf<Query>,
      body: z.output<Body>,
    ) => Promise<ReadOnly<z.output<Answer>> | LazyAnswer>;
  },
): ApiRoute {
  return made as unknown as ApiRoute;
}

export class LazyAnswer {
  readonly mark: string;
  readonly make: Lazily['make'];

  constructor({ mark, make }: Lazily) {
    this.mark = mark;
    this.make = make;
  }
}
