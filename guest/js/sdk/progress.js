// How far a call has come. Reports reach the caller as far as policy releases them: they are content like a result.

import { host } from './host.js';

const whole = (count) => BigInt(typeof count === 'bigint' ? count : Math.max(0, Math.floor(count)));

export function report(progress, total, message = '') {
  host('progress').report(whole(progress), total === undefined || total === null ? undefined : whole(total), message);
}
