/** Reports how far the call has come, out of `total` in any unit. A report that does not advance is dropped. */
export function report(progress: number | bigint, total?: number | bigint | null, message?: string): void;
