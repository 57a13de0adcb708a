/** Decodo, formerly Smartproxy. A session lives for 10 minutes, or for `sessionduration`. */
import { CITY, LOWER_COUNTRY, minutes, TRAFFIC_CREDENTIALS, type Vendor } from './vendor.ts';

export const DECODO: Vendor = {
  type: 'decodo',
  label: 'Decodo',
  kind: 'gateway',
  credentialsRule: TRAFFIC_CREDENTIALS,
  usernameOptional: false,
  account: null,
  gateway: {
    endpoint: { scheme: 'http', host: 'gate.decodo.com', port: 7_000 },
    usernameTemplate:
      'user-{username}[-country-{country}][-city-{city}]-session-{token}[-sessionduration-{ttl_minutes}]',
    passwordTemplate: null,
    tokenFormat: '[A-Za-z0-9]{1,32}',
    parameters: [LOWER_COUNTRY, CITY, minutes(1, 1_440)],
  },
};
