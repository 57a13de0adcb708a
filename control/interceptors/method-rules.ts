/**
 * What each method demands: a permission, which workspace it works in, whether it
 * changes something. One row a method: the compiler refuses a missing row, and so
 * does `ruleOf` when the routes are made.
 */
import type { DescMethod } from '@bufbuild/protobuf';
import { Accounts, Permission } from '../gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../gen/proxies/v1/proxies_pb.ts';

/**
 * - `named`: the request names a workspace, which must be the key's own, or any live one for an operator.
 * - `own`: the request names none; the service looks at the caller.
 */
export type WorkspaceScope = 'named' | 'own';

export interface MethodRule {
  /** null: any good key. */
  readonly permission: Permission | null;
  readonly scope: WorkspaceScope;
  /** Leaves exactly one audit row, whatever comes of it. */
  readonly mutates: boolean;
}

const view: MethodRule = { permission: Permission.VIEW_PROXIES, scope: 'named', mutates: false };
const manage: MethodRule = { permission: Permission.MANAGE_PROXIES, scope: 'named', mutates: true };
const viewAccount: MethodRule = { permission: Permission.MANAGE_ACCOUNTS, scope: 'named', mutates: false };
const manageAccount: MethodRule = { permission: Permission.MANAGE_ACCOUNTS, scope: 'named', mutates: true };
const operate: MethodRule = { permission: Permission.OPERATE, scope: 'named', mutates: true };

const ACCOUNTS_RULES: { readonly [method in keyof typeof Accounts.method]: MethodRule } = {
  createWorkspace: { ...operate, scope: 'own' },
  getWorkspace: { ...viewAccount, permission: null },
  batchGetWorkspaces: { ...viewAccount, permission: null, scope: 'own' },
  listWorkspaces: { ...viewAccount, permission: null, scope: 'own' },
  updateWorkspace: manageAccount,
  deleteWorkspace: operate,
  rotateWorkspaceKey: operate,
  rotateMasterKey: { ...operate, scope: 'own' },
  createBackup: { ...operate, scope: 'own' },
  createAPIKey: manageAccount,
  listAPIKeys: viewAccount,
  deleteAPIKey: { ...manageAccount, scope: 'own' },
  listPolicies: { ...viewAccount, permission: null, scope: 'own' },
  listAuditEvents: viewAccount,
};

const PROXIES_RULES: { readonly [method in keyof typeof Proxies.method]: MethodRule } = {
  createSession: manage,
  bulkCreateSessions: manage,
  getSession: view,
  updateSession: manage,
  deleteSession: manage,
  listSessions: view,
  batchGetSessions: view,
  listSessionStates: view,
  createPool: manage,
  getPool: view,
  batchGetPools: view,
  updatePool: manage,
  deletePool: manage,
  listPools: view,
  connectProvider: manage,
  getProvider: view,
  updateProvider: manage,
  refreshProviderState: manage,
  deleteProvider: manage,
  listProviders: view,
  batchGetProviders: view,
  createAssignment: manage,
  getAssignment: view,
  updateAssignment: manage,
  rebindAssignment: manage,
  bulkCreateAssignment: manage,
  deleteAssignment: manage,
  listAssignments: view,
  batchGetAssignments: view,
  queryProxyUsage: view,
  resolveSession: view,
  getRequest: view,
  tailRequests: view,
};

const RULES = new Map<DescMethod, MethodRule>([
  ...Accounts.methods.map((method) => [method, ACCOUNTS_RULES[method.localName as never]] as const),
  ...Proxies.methods.map((method) => [method, PROXIES_RULES[method.localName as never]] as const),
]);

/** The row of a method; throws for a method without one: nothing is served by default. */
export function ruleOf(method: DescMethod): MethodRule {
  const rule = RULES.get(method);
  if (rule === undefined) throw new Error(`${fullName(method)} has no row in the table of method rules`);
  return rule;
}

/** For example `proxies.v1.Proxies/CreateSession`: the name in audit rows, metrics and logs. */
export function fullName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
