/** A secret and its place in a request, for the option `secrets` of `fetch`. */
export interface Credential {
  readonly secret: string;
  readonly place: { readonly tag: string; readonly val?: string };
}

/** Whether the operator granted a secret of this name. Whether it may be used is decided request by request. */
export function exists(name: string): boolean;
/** `authorization: Bearer <secret>`. */
export function bearer(secret: string): Credential;
/** The secret is the whole value of this header field. */
export function header(secret: string, field: string): Credential;
/** The secret is the value of this query parameter. */
export function query(secret: string, parameter: string): Credential;
/** The secret is the string at this JSON pointer in the body. */
export function json(secret: string, pointer: string): Credential;
