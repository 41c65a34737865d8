// What the build makes a component of: the gate's interfaces below the SDK, and the tools on top. Only the gate can
// load it; tests import `testing.js`.

import * as calls from 'tollgate:adapter/calls@0.1.0';
import * as clock from 'tollgate:adapter/clock@0.1.0';
import * as config from 'tollgate:adapter/config@0.1.0';
import * as files from 'tollgate:adapter/files@0.1.0';
import * as http from 'tollgate:adapter/http@0.1.0';
import * as log from 'tollgate:adapter/log@0.1.0';
import * as progress from 'tollgate:adapter/progress@0.1.0';
import * as random from 'tollgate:adapter/random@0.1.0';
import * as secrets from 'tollgate:adapter/secrets@0.1.0';
import * as state from 'tollgate:adapter/state@0.1.0';

import { install } from './host.js';
import { adopt } from './runtime.js';

export { offer } from './offer.js';

install({ calls, clock, config, files, http, log, progress, random, secrets, state });
adopt(globalThis);
