/**
 * One call of every method, in the order of the services: what `docs/api.md` shows
 * as a curl line, and what the suites send through every protocol and client.
 *
 * A `$NAME` in a body is a variable: those of a first start are there from the
 * beginning, others are taken from the answers of earlier calls (`sets`).
 */

/** One call; `stream` answers several messages. */
export interface ApiExample {
  readonly body: Readonly<Record<string, unknown>>;
  /** Variables that the answer gives: name → path into it, such as `session.id` or `sessions.1.id`. */
  readonly sets?: Readonly<Record<string, string>>;
  readonly stream?: true;
}

/** Variables that a first start gives: fields of `data/bootstrap.json`. */
export const BOOTSTRAP_VARIABLES = {
  WORKSPACE_ID: 'workspaceId',
  POOL_ID: 'poolId',
  PROVIDER_ID: 'providerId',
  LOCAL_POOL_ID: 'localPoolId',
} as const;

const inWorkspace = { workspaceId: '$WORKSPACE_ID' };
/** The account that the examples connect; suites make their stand-in know its key. */
export const VENDOR_ACCOUNT = { username: 'customer', password: 'from-your-vendor', apiKey: 'from-your-vendor-too' };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const ACCOUNTS: Readonly<Record<string, ApiExample>> = {
  CreateWorkspace: {
    body: { name: 'crawlers', description: 'Everything that crawls' },
    sets: { NEW_WORKSPACE_ID: 'workspace.id' },
  },
  GetWorkspace: { body: inWorkspace },
  BatchGetWorkspaces: { body: { workspaceIds: ['$WORKSPACE_ID', '$NEW_WORKSPACE_ID'] } },
  ListWorkspaces: { body: { limit: 100 } },
  UpdateWorkspace: { body: { ...inWorkspace, description: 'Our first', expectedVersion: '1' } },
  DeleteWorkspace: { body: { workspaceId: '$NEW_WORKSPACE_ID' } },
  RotateWorkspaceKey: { body: inWorkspace },
  RotateMasterKey: { body: {} },
  CreateBackup: { body: {}, stream: true },
  CreateAPIKey: {
    body: { ...inWorkspace, name: 'crawler', policies: ['gateway', 'proxies-viewer'] },
    sets: { API_KEY_ID: 'apiKey.id' },
  },
  ListAPIKeys: { body: inWorkspace },
  DeleteAPIKey: { body: { apiKeyId: '$API_KEY_ID' } },
  ListPolicies: { body: {} },
  ListAuditEvents: { body: { ...inWorkspace, limit: 10 } },
};

const endpoint = (port: number) => ({ scheme: 'http', host: '203.0.113.10', port });
const placed = { ...inWorkspace, poolId: '$POOL_ID', providerId: '$PROVIDER_ID' };

const PROXIES: Readonly<Record<string, ApiExample>> = {
  CreateSession: {
    body: {
      ...placed,
      token: 'dc-1',
      ...endpoint(8080),
      username: 'customer',
      password: 'from-your-vendor',
      labels: { country: 'us' },
    },
    sets: { SESSION_ID: 'session.id' },
  },
  BulkCreateSessions: {
    body: {
      ...placed,
      sessions: [
        { token: 'dc-1', ...endpoint(8080) },
        { token: 'dc-2', ...endpoint(8081), username: 'customer', password: 'from-your-vendor' },
        { token: 'dc-3', ...endpoint(8082), labels: { country: 'de' } },
      ],
    },
    sets: { SECOND_SESSION_ID: 'sessions.1.id', THIRD_SESSION_ID: 'sessions.2.id' },
  },
  GetSession: { body: { ...inWorkspace, sessionId: '$SESSION_ID' } },
  UpdateSession: { body: { ...inWorkspace, sessionId: '$SESSION_ID', enabled: false, expectedVersion: '1' } },
  DeleteSession: { body: { ...inWorkspace, sessionId: '$THIRD_SESSION_ID' } },
  ListSessions: { body: { ...inWorkspace, poolId: '$POOL_ID', limit: 100 } },
  BatchGetSessions: { body: { ...inWorkspace, sessionIds: ['$SESSION_ID', '$THIRD_SESSION_ID'] } },
  ListSessionStates: { body: { ...inWorkspace, poolId: '$POOL_ID' } },
  CreatePool: {
    body: {
      ...inWorkspace,
      name: 'checkout',
      selection: 'SELECTION_LEAST_CONNECTIONS',
      stickiness: { mode: 'STICKINESS_MODE_STRICT', idleTtl: '1800s' },
    },
    sets: { NEW_POOL_ID: 'pool.id' },
  },
  GetPool: { body: { ...inWorkspace, poolId: '$POOL_ID' } },
  BatchGetPools: { body: { ...inWorkspace, poolIds: ['$POOL_ID', '$NEW_POOL_ID'] } },
  UpdatePool: { body: { ...inWorkspace, poolId: '$NEW_POOL_ID', health: { failuresToEject: 5 } } },
  DeletePool: { body: { ...inWorkspace, poolId: '$NEW_POOL_ID' } },
  ListPools: { body: inWorkspace },
  ConnectProvider: {
    body: {
      ...inWorkspace,
      type: 'PROVIDER_TYPE_WEBSHARE_RESIDENTIAL',
      credentials: base64(JSON.stringify(VENDOR_ACCOUNT)),
    },
    sets: { VENDOR_ID: 'provider.id' },
  },
  GetProvider: { body: { ...inWorkspace, providerId: '$VENDOR_ID' } },
  UpdateProvider: { body: { ...inWorkspace, providerId: '$VENDOR_ID', name: 'Webshare, main account' } },
  RefreshProviderState: { body: { ...inWorkspace, providerId: '$VENDOR_ID' } },
  DeleteProvider: { body: { ...inWorkspace, providerId: '$VENDOR_ID' } },
  ListProviders: { body: inWorkspace },
  BatchGetProviders: { body: { ...inWorkspace, providerIds: ['$PROVIDER_ID', '$VENDOR_ID'] } },
  CreateAssignment: {
    body: { ...inWorkspace, poolId: '$POOL_ID', accountName: 'alice' },
    sets: { ASSIGNMENT_ID: 'assignment.id' },
  },
  GetAssignment: { body: { ...inWorkspace, assignmentId: '$ASSIGNMENT_ID' } },
  UpdateAssignment: { body: { ...inWorkspace, assignmentId: '$ASSIGNMENT_ID', sessionId: '$SESSION_ID' } },
  RebindAssignment: { body: { ...inWorkspace, assignmentId: '$ASSIGNMENT_ID' } },
  BulkCreateAssignment: {
    body: { ...inWorkspace, poolId: '$POOL_ID', assignments: [{ accountName: 'alice' }, { accountName: 'bob' }] },
  },
  DeleteAssignment: { body: { ...inWorkspace, assignmentId: '$ASSIGNMENT_ID' } },
  ListAssignments: { body: { ...inWorkspace, accountName: 'bob' }, sets: { BOBS_ASSIGNMENT_ID: 'assignmentIds.0' } },
  BatchGetAssignments: { body: { ...inWorkspace, assignmentIds: ['$ASSIGNMENT_ID', '$BOBS_ASSIGNMENT_ID'] } },
  QueryProxyUsage: { body: { ...inWorkspace, startDate: '2026-11-01', endDate: '2026-11-30', poolId: '$POOL_ID' } },
  ResolveSession: {
    body: { ...inWorkspace, username: 'default-session-checkout1', targetHost: 'example.com', targetPort: 443 },
  },
  GetRequest: { body: { ...inWorkspace, requestId: '$REQUEST_ID' } },
  TailRequests: { body: { ...inWorkspace, poolId: '$LOCAL_POOL_ID' }, stream: true },
};

/** Every method's example, by `package.Service/Method`; a method without one fails the suite. */
export const API_EXAMPLES: ReadonlyMap<string, ApiExample> = new Map([
  ...Object.entries(ACCOUNTS).map(([name, example]) => [`accounts.v1.Accounts/${name}`, example] as const),
  ...Object.entries(PROXIES).map(([name, example]) => [`proxies.v1.Proxies/${name}`, example] as const),
]);

/** A body with its variables filled in; throws for a variable that nothing has set. */
export function fillVariables(body: unknown, variables: ReadonlyMap<string, string>): unknown {
  return JSON.parse(JSON.stringify(body), (_key, value) => {
    if (typeof value !== 'string' || !value.startsWith('$')) return value;
    const filled = variables.get(value.slice(1));
    if (filled === undefined) throw new Error(`nothing has set ${value}`);
    return filled;
  });
}

/** The text at a path such as `sessions.1.id` of an answer; throws when there is none. */
export function textAt(answer: unknown, path: string): string {
  let at = answer;
  for (const step of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[step];
  if (typeof at !== 'string') throw new Error(`the answer has no text at ${path}`);
  return at;
}
