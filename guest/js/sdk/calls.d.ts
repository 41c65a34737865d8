/** One part of another tool's result. All of it is untrusted. */
export type Part =
  | { type: 'text'; text: string }
  | { type: 'structured'; value: any }
  | { type: 'image'; mediaType: string; data: Uint8Array }
  | { type: 'resource'; uri: string; mediaType?: string; text?: string; data?: Uint8Array };

/** Calls a tool. Throws a `TollgateError` with the code `invalid`, `denied`, `failed` or `ended`. */
export function call(tool: string, args?: object): Part[];
/** Calls a tool, and joins the texts of its result, one a line. */
export function callForText(tool: string, args?: object): string;
/** Calls a tool, and gives its structured content. */
export function callForJson(tool: string, args?: object): any;
