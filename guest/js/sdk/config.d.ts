export type Value = string | number | bigint | boolean | string[];

/** The value of a key, with the type that it has in the configuration; `fallback` if there is none. */
export function get(key: string, fallback?: Value): Value | undefined;
/** The text of a key. A value of another type throws a `TollgateError` with the code `wrong-type`. */
export function text(key: string, fallback: string): string;
export function text(key: string): string | undefined;
/** The integer of a key; a bigint beyond ±(2^53 − 1). */
export function integer(key: string, fallback: number | bigint): number | bigint;
export function integer(key: string): number | bigint | undefined;
/** The float or integer of a key. */
export function number(key: string, fallback: number): number;
export function number(key: string): number | undefined;
/** The boolean of a key. */
export function boolean(key: string, fallback: boolean): boolean;
export function boolean(key: string): boolean | undefined;
/** The list of texts of a key. */
export function texts(key: string, fallback: string[]): string[];
export function texts(key: string): string[] | undefined;
