export type Level = 'debug' | 'info' | 'warn' | 'error';

/** Logs one message. One over 4 KiB is cut; after 100 in one call the rest are counted. */
export function log(message: unknown, level?: Level): void;
export function debug(message: unknown): void;
export function info(message: unknown): void;
export function warn(message: unknown): void;
export function error(message: unknown): void;
