declare const VALUE: unique symbol;

/** A JSON Schema whose values have the type `T`. */
export type Schema<T> = { readonly [VALUE]: T };

/** Any JSON Schema, also one written out, such as `{ type: 'string', maxLength: 10 }`. */
export type AnySchema = Schema<unknown> | { readonly [keyword: string]: unknown };

/** A schema for each name of an object. */
export type Fields = { readonly [name: string]: AnySchema };

/** The type of a schema's values. */
export type ValueOf<S> = S extends { readonly [VALUE]: infer T }
  ? T
  : S extends { readonly enum: readonly (infer E)[] }
    ? E
    : S extends { readonly const: infer C }
      ? C
      : S extends { readonly type: 'string' }
        ? string
        : S extends { readonly type: 'integer' | 'number' }
          ? number
          : S extends { readonly type: 'boolean' }
            ? boolean
            : S extends { readonly type: 'null' }
              ? null
              : S extends { readonly type: 'array' }
                ? S extends { readonly items: infer I }
                  ? ValueOf<I>[]
                  : unknown[]
                : S extends { readonly type: 'object'; readonly properties: infer P }
                  ? PropertiesOf<P, S extends { readonly required: readonly (infer R)[] } ? R : never>
                  : any;

type PropertiesOf<P, R> = { [K in keyof P as K extends R ? K : never]: ValueOf<P[K]> } & {
  [K in keyof P as K extends R ? never : K]?: ValueOf<P[K]>;
};

type IsOptional = { readonly optional: true };
type HasDefault = { readonly default: {} | null };

/** What `run` gets of these fields: what has a default is there. */
export type Received<F> = { [K in keyof F as F[K] extends IsOptional ? never : K]: ValueOf<F[K]> } & {
  [K in keyof F as F[K] extends IsOptional ? K : never]?: ValueOf<F[K]>;
};

/** What a caller gives for these fields: what has a default may be left out. */
export type Given<F> = { [K in keyof F as F[K] extends IsOptional | HasDefault ? never : K]: ValueOf<F[K]> } & {
  [K in keyof F as F[K] extends IsOptional | HasDefault ? K : never]?: ValueOf<F[K]>;
};

/** What every schema may say. */
export interface Options<T> {
  /** For the model: what it is, with an example. */
  description?: string;
  title?: string;
  /** What is taken if the caller gives nothing. */
  default?: T;
  examples?: readonly T[];
}

export interface StringOptions extends Options<string> {
  minLength?: number;
  maxLength?: number;
  /** A regular expression, as for `new RegExp(pattern, 'u')`. */
  pattern?: string;
  format?: string;
}

export interface NumberOptions extends Options<number> {
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
}

export interface ArrayOptions<T> extends Options<T[]> {
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
}

type Kept<O> = O extends { readonly default: infer D extends {} | null } ? { readonly default: D } : unknown;

/** A text. */
export function string<const O extends StringOptions>(options?: O): Schema<string> & Kept<O>;
/** A number. */
export function number<const O extends NumberOptions>(options?: O): Schema<number> & Kept<O>;
/** A whole number. */
export function integer<const O extends NumberOptions>(options?: O): Schema<number> & Kept<O>;
/** True or false. */
export function boolean<const O extends Options<boolean>>(options?: O): Schema<boolean> & Kept<O>;
/** One of these values. */
export function choice<const T extends string | number | boolean | null, const O extends Options<T>>(
  values: readonly T[],
  options?: O,
): Schema<T> & Kept<O>;
/** A list. */
export function array<S extends AnySchema>(items: S, options?: ArrayOptions<ValueOf<S>>): Schema<ValueOf<S>[]>;
/** An object with these fields and no others. */
export function object<const F extends Fields>(fields: F, options?: Options<Received<F>>): Schema<Received<F>>;
/** An object with any names, whose values match one schema. */
export function map<S extends AnySchema>(
  values: S,
  options?: Options<Record<string, ValueOf<S>>>,
): Schema<Record<string, ValueOf<S>>>;
/** A value or null. */
export function nullable<S extends AnySchema>(
  schema: S,
  options?: Options<ValueOf<S> | null>,
): Schema<ValueOf<S> | null>;
/** A field that may be left out. */
export function optional<S extends AnySchema>(schema: S): Schema<ValueOf<S>> & { readonly optional: true };
