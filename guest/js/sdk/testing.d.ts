/** A directory that is granted to the tool under test. */
export interface TestGrant {
  /** Creates a file, in any mode. */
  put(path: string, data: string | Uint8Array): TestGrant;
  /** The text of a file, if there is one. */
  text(path: string): string | undefined;
  /** The paths of all files. */
  paths(): string[];
  /** Refuses every operation from now on, with this reason. */
  deny(reason: string): void;
}

/** A request that was sent. */
export interface Request {
  method: string;
  url: string;
  headers: { name: string; value: string }[];
  body?: Uint8Array;
  credentials: { secret: string; place: { tag: string; val?: string } }[];
  redirects: number;
  timeout?: number;
}

/** The answer of a server: a body, a response, or the code of an error, such as `timeout`. */
export type Answer =
  | string
  | { status?: number; headers?: Record<string, string>; body?: string | Uint8Array; json?: unknown }
  | { error: string };

/** Forgets everything that a test prepared or a tool did: `beforeEach(reset)`. */
export function reset(): void;
/** Grants an empty directory. */
export function grant(name: string, mode?: 'read-only' | 'read-write'): TestGrant;
/** Grants a secret. It has no value, like all secrets in a component. */
export function secret(name: string): void;
/** Servers. What no test answers is unreachable. */
export const web: {
  /** Answers requests with this method and exactly this URL. */
  answer(method: string, url: string, answer: Answer | ((request: Request) => Answer)): void;
  /** Refuses every request to a host, with this reason. */
  deny(hostname: string, reason: string): void;
  /** The requests so far. */
  sent(): Request[];
};
/** Answers calls of another component's tool: a text, a value (structured), or a function of the arguments. */
export function answer(tool: string, answer: unknown): void;
/** Configures a value. */
export function config(key: string, value: string | number | bigint | boolean | string[]): void;
/** Refuses every read of the configuration, with this reason. */
export function denyConfig(reason: string): void;
/** Refuses every operation of `state`, with this reason. */
export function denyState(reason: string): void;
/** Deletes the state of the run, as when a run ends. */
export function endRun(): void;
/** Sets the clock, in milliseconds since 1970. It stands still; until it is set, it is 10:00 on 2026-11-23. */
export function at(milliseconds: number | bigint | Date): void;
/** Begins the sequence of `random` anew. It is repeatable, and not random at all. */
export function seed(number: number | bigint): void;
/** The messages of the log since the last call. */
export function logged(): { level: 'debug' | 'info' | 'warn' | 'error'; message: string }[];
/** The reports of progress since the last call. */
export function reported(): { progress: number; total: number | undefined; message: string }[];
