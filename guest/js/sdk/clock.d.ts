/** Milliseconds since 1970-01-01 00:00 UTC. */
export function now(): number;
/** Milliseconds since this call began. */
export function elapsed(): number;
