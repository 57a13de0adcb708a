/** GeoNode's residential proxies, at the first of the ports that keep sessions (10000–10900). */
import { LOWER_COUNTRY, minutes, TRAFFIC_CREDENTIALS, type Vendor } from './vendor.ts';

export const GEONODE: Vendor = {
  type: 'geonode',
  label: 'GeoNode',
  kind: 'gateway',
  credentialsRule: TRAFFIC_CREDENTIALS,
  usernameOptional: false,
  account: null,
  gateway: {
    endpoint: { scheme: 'http', host: 'proxy.geonode.io', port: 10_000 },
    usernameTemplate:
      '{username}-type-residential[-country-{country}][-city-{city}]-session-{token}[-lifetime-{ttl_minutes}]',
    passwordTemplate: null,
    tokenFormat: '[A-Za-z0-9_]{1,25}',
    parameters: [LOWER_COUNTRY, { placeholder: 'city', format: '[a-z]{1,64}' }, minutes(3, 1_440)],
  },
};
