/** SOAX. The user name of the credentials is the package's number, the password its key; lives are in seconds. */
import { LOWER_COUNTRY, TRAFFIC_CREDENTIALS, type Vendor } from './vendor.ts';

export const SOAX: Vendor = {
  type: 'soax',
  label: 'SOAX',
  kind: 'gateway',
  credentialsRule: TRAFFIC_CREDENTIALS,
  usernameOptional: false,
  account: null,
  gateway: {
    endpoint: { scheme: 'http', host: 'proxy.soax.com', port: 5_000 },
    usernameTemplate:
      'package-{username}[-country-{country}][-city-{city}][-isp-{isp}]-sessionid-{token}[-sessionlength-{ttl_seconds}]',
    passwordTemplate: null,
    tokenFormat: '[A-Za-z0-9]{1,32}',
    // Spaces in names are written `+`, which no token format can hold: the words are joined without.
    parameters: [
      LOWER_COUNTRY,
      { placeholder: 'city', format: '[a-z]{1,64}' },
      { placeholder: 'isp', format: '[a-z0-9]{1,64}' },
      { placeholder: 'ttl_seconds', format: '[0-9]{1,5}', range: [10, 86_400] },
    ],
  },
};
