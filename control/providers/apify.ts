/**
 * Apify Proxy: parameters are joined by commas. The user name of the credentials is
 * the part that names groups, such as `groups-RESIDENTIAL`; without one Apify chooses.
 */
import { UPPER_COUNTRY, type Vendor } from './vendor.ts';

export const APIFY: Vendor = {
  type: 'apify',
  label: 'Apify',
  kind: 'gateway',
  credentialsRule: 'must be groups-NAME:password or :password, or a JSON object of username (the groups) and password',
  usernameOptional: true,
  account: null,
  gateway: {
    endpoint: { scheme: 'http', host: 'proxy.apify.com', port: 8_000 },
    usernameTemplate: '[{username},]session-{token}[,country-{country}]',
    passwordTemplate: null,
    tokenFormat: '[A-Za-z0-9._~]{1,50}',
    parameters: [UPPER_COUNTRY],
  },
};
