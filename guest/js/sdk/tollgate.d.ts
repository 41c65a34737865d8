import type { Fields, Given, Received, ValueOf } from './schema.js';

/**
 * Why a tool, or something that it asked of its host, did not succeed. Thrown out of `run`, its message reaches the
 * agent. Other errors do not: they are logged for the operator.
 */
export class TollgateError extends Error {
  constructor(message: string, options?: { code?: string; cause?: unknown });
  /** Which case it is: a name of `wit/` such as `not-found`, `timeout` or `denied`; `failed` otherwise. */
  readonly code: string;
}

/** The tool could not do its work; say why, and what to do instead. */
export class Failed extends TollgateError {}

/** The arguments match the schema but make no sense; say which and why. */
export class InvalidArguments extends Failed {}

/** Policy refused something that the tool needed. Let it pass: the agent reads the policy's own reason. */
export class Denied extends Failed {
  constructor(
    message: string,
    options?: { code?: string; reason?: string; decision?: string; approval?: string; cause?: unknown },
  );
  /** The reason of the policy. */
  readonly reason: string;
  /** The decision in the ledger. */
  readonly decision?: string;
  /** The approval that was requested. The call then ends as pending, with any result of the tool. */
  readonly approval?: string;
}

/** One part of a result. */
export class Content {
  private constructor();
  readonly tag: 'text' | 'image' | 'resource' | 'structured';
}

/** Plain text for the model. */
export function text(words: string): Content;
/** A picture: its media type, such as `image/png`, and the file's bytes. */
export function image(mediaType: string, data: Uint8Array): Content;
/** A resource with a URI of its own. The host never fetches it. */
export function resource(
  uri: string,
  body: { text: string; mediaType?: string } | { data: Uint8Array; mediaType?: string },
): Content;
/** Structured data: a value with a JSON form. Together with `text`, it has a text of your own. */
export function structured(value: object | string | number | boolean | null): Content;

/** What the author says about a tool, for people and agents. No decision is based on it. */
export interface Hints {
  /** The tool changes nothing. */
  readOnly?: boolean;
  /** The tool may overwrite or delete something. */
  destructive?: boolean;
  /** Calling it twice has the effect of calling it once. */
  idempotent?: boolean;
  /** The tool reaches beyond what the operator controls. */
  openWorld?: boolean;
}

/** A whole schema of an object, instead of one for each name. */
export type ObjectSchema = { readonly type: 'object'; readonly [keyword: string]: unknown };

/** The arguments that `run` gets. */
export type Arguments<I> = I extends { readonly type: 'object' } ? ValueOf<I> : Received<I>;
/** The arguments that a caller gives. */
export type GivenArguments<I> = I extends { readonly type: 'object' } ? ValueOf<I> : Given<I>;

/** What `run` may return: a text, a JSON value (structured content), null for nothing, or content. */
export type Result<O> = undefined extends O
  ? string | number | boolean | object | null
  : (O extends { readonly type: 'object' } ? ValueOf<O> : Received<O>) | Content | Content[];

/** A tool. */
export interface Definition<I, O, R> {
  /** Its name within the component: 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`. */
  name: string;
  /** A name for people. */
  title?: string;
  /** For the model: what the tool does and when to use it. */
  description: string;
  /** The schema of each argument. */
  input?: I;
  /** The schema of each member of the structured result. */
  output?: O;
  hints?: Hints;
  /** Does the work. */
  run(args: Arguments<I>): R;
}

/**
 * Makes a tool. The result is a function that calls it, for tests: arguments and result are checked as by the gate.
 * Throws an Error that names the tool and the field if the declaration is not right.
 */
export function tool<
  const I extends Fields | ObjectSchema = {},
  const O extends Fields | ObjectSchema | undefined = undefined,
  R extends Result<O> | Promise<Result<O>> = Result<O> | Promise<Result<O>>,
>(definition: Definition<I, O, R>): {} extends GivenArguments<I> ? (args?: GivenArguments<I>) => R : (args: GivenArguments<I>) => R;

/** Calls a tool by its name, as a test does. */
export function call(name: string, args?: object): any;
