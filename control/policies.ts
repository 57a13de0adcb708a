/** Which policy grants which permission. Read by authentication, CreateAPIKey and ListPolicies. */
import { Permission } from './gen/accounts/v1/accounts_pb.ts';

const { VIEW_PROXIES, MANAGE_PROXIES, USE_GATEWAY, MANAGE_ACCOUNTS, OPERATE } = Permission;

/** Every policy by name, in the order that ListPolicies shows. */
export const POLICIES: ReadonlyMap<string, readonly Permission[]> = new Map([
  ['operator', [VIEW_PROXIES, MANAGE_PROXIES, USE_GATEWAY, MANAGE_ACCOUNTS, OPERATE]],
  ['proxies', [VIEW_PROXIES, MANAGE_PROXIES]],
  ['proxies-viewer', [VIEW_PROXIES]],
  ['gateway', [USE_GATEWAY]],
  ['accounts', [MANAGE_ACCOUNTS]],
]);

/** The union of what the policies grant; a name that is no policy grants nothing. */
export function permissionsOf(policies: readonly string[]): ReadonlySet<Permission> {
  return new Set(policies.flatMap((name) => POLICIES.get(name) ?? []));
}
