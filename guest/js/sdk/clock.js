// The gate's own clock, which policies see. In a component, `Date` reads it as well.

import { host } from './host.js';

export const now = () => Number(host('clock').now());

export const elapsed = () => Number(host('clock').elapsed());
