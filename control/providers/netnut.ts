/** NetNut's residential proxies: the country always stands there, as `any` without one, and Great Britain is `uk`. */
import { TRAFFIC_CREDENTIALS, type Vendor } from './vendor.ts';

export const NETNUT: Vendor = {
  type: 'netnut',
  label: 'NetNut',
  kind: 'gateway',
  credentialsRule: TRAFFIC_CREDENTIALS,
  usernameOptional: false,
  account: null,
  gateway: {
    endpoint: { scheme: 'http', host: 'gw.netnut.net', port: 5_959 },
    usernameTemplate: '{username}-res-[{country}|any]-sid-{token}',
    passwordTemplate: null,
    tokenFormat: '[0-9]{1,9}',
    parameters: [{ placeholder: 'country', format: '[a-z]{2}', otherwise: { gb: 'uk' } }],
  },
};
