/** Oxylabs' residential proxies. A session lives for 10 minutes, or for `sesstime`; it ends after 60 s without a request. */
import { CITY, minutes, TRAFFIC_CREDENTIALS, UPPER_COUNTRY, type Vendor } from './vendor.ts';

export const OXYLABS: Vendor = {
  type: 'oxylabs',
  label: 'Oxylabs',
  kind: 'gateway',
  credentialsRule: TRAFFIC_CREDENTIALS,
  usernameOptional: false,
  account: null,
  gateway: {
    endpoint: { scheme: 'http', host: 'pr.oxylabs.io', port: 7_777 },
    usernameTemplate: 'customer-{username}[-cc-{country}][-city-{city}]-sessid-{token}[-sesstime-{ttl_minutes}]',
    passwordTemplate: null,
    tokenFormat: '[A-Za-z0-9]{1,32}',
    parameters: [UPPER_COUNTRY, CITY, minutes(1, 1_440)],
  },
};
