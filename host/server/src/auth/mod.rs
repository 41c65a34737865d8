//! Who calls, over HTTP: OAuth 2.1 access tokens and API tokens. Identity comes from here alone, never from what a client says about itself.
