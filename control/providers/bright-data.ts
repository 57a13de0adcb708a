/**
 * Bright Data. The user name of the credentials is the zone's own, as the control
 * panel shows it: `brd-customer-<id>-zone-<zone>`. A session lives while it is used.
 */
import { LOWER_COUNTRY, TRAFFIC_CREDENTIALS, type Vendor } from './vendor.ts';

export const BRIGHT_DATA: Vendor = {
  type: 'bright_data',
  label: 'Bright Data',
  kind: 'gateway',
  credentialsRule: TRAFFIC_CREDENTIALS,
  usernameOptional: false,
  account: null,
  gateway: {
    // 22225 serves the certificate authority that ended in September 2026.
    endpoint: { scheme: 'http', host: 'brd.superproxy.io', port: 33_335 },
    usernameTemplate: '{username}[-country-{country}][-city-{city}]-session-{token}',
    passwordTemplate: null,
    tokenFormat: '[A-Za-z0-9]{1,32}',
    // Cities without spaces: sanfrancisco.
    parameters: [LOWER_COUNTRY, { placeholder: 'city', format: '[a-z]{1,64}' }],
  },
};
