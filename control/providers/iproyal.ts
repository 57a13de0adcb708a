/** IPRoyal's residential proxies: every parameter rides in the password, and a session id has exactly eight characters. */
import { LOWER_COUNTRY, minutes, TRAFFIC_CREDENTIALS, type Vendor } from './vendor.ts';

export const IPROYAL: Vendor = {
  type: 'iproyal',
  label: 'IPRoyal',
  kind: 'gateway',
  credentialsRule: TRAFFIC_CREDENTIALS,
  usernameOptional: false,
  account: null,
  gateway: {
    endpoint: { scheme: 'http', host: 'geo.iproyal.com', port: 12_321 },
    usernameTemplate: '{username}',
    passwordTemplate: '{password}[_country-{country}][_city-{city}]_session-{token}[_lifetime-{ttl_minutes}m]',
    tokenFormat: '[A-Za-z0-9]{8}',
    // Seven days; one unit only, so minutes throughout.
    parameters: [LOWER_COUNTRY, { placeholder: 'city', format: '[a-z]{1,64}' }, minutes(1, 10_080)],
  },
};
