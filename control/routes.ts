/**
 * Which services there are and what every call passes on its way to them. The
 * order of the interceptors is the order of a call's life:
 *
 *   gate (headers only) ─ outcome ─ decode ─ workspace ─ validate ─ service
 *
 * Methods that the services do not have answer `unimplemented`, after all of that.
 */
import type { DescMessage } from '@bufbuild/protobuf';
import type { ConnectRouter, ConnectRouterOptions } from '@connectrpc/connect';
import type { Plane } from './call.ts';
import { Accounts } from './gen/accounts/v1/accounts_pb.ts';
import { BulkCreateSessionsRequestSchema, Proxies } from './gen/proxies/v1/proxies_pb.ts';
import { createGate } from './interceptors/gate.ts';
import { ruleOf } from './interceptors/method-rules.ts';
import { settleOutcome } from './interceptors/outcome.ts';
import type { RateLimit } from './interceptors/rate-limit.ts';
import { validateRequest } from './interceptors/validate.ts';
import { scopeToWorkspace } from './interceptors/workspace-scope.ts';
import { decodeBody } from './json-body.ts';
import { apiKeysService } from './services/api-keys.ts';
import { assignmentsService } from './services/assignments.ts';
import { auditService } from './services/audit.ts';
import { backupService } from './services/backup.ts';
import { bulkCreateSessions } from './services/bulk-sessions.ts';
import { keyRotationService } from './services/key-rotation.ts';
import { observingService } from './services/observing.ts';
import { poolsService } from './services/pools.ts';
import { providersService } from './services/providers.ts';
import { sessionStatesService } from './services/session-states.ts';
import { sessionsService } from './services/sessions.ts';
import { usageService } from './services/usage.ts';
import { workspacesService } from './services/workspaces.ts';

const MESSAGE_BYTES = 4 * 1024 * 1024;
/** No request of any method is larger. */
export const LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024;

export type Routes = ConnectRouterOptions & { routes: (router: ConnectRouter) => void };

/** The routes of both services; throws when a method has no row in the table of rules. */
export function createRoutes(plane: Plane, rateLimit: RateLimit): Routes {
  for (const method of [...Accounts.methods, ...Proxies.methods]) ruleOf(method);
  return {
    readMaxBytes: MESSAGE_BYTES,
    requestGate: createGate(plane, rateLimit),
    interceptors: [settleOutcome(plane), decodeBody(limitOf), scopeToWorkspace(plane.access), validateRequest],
    routes(router) {
      router.service(Accounts, {
        ...workspacesService(plane),
        ...apiKeysService(plane),
        ...auditService(plane),
        ...keyRotationService(plane),
        ...backupService(plane),
      });
      // The one method with a bound of its own is routed by itself.
      const { bulkCreateSessions: bulk } = Proxies.method;
      router.rpc(bulk, bulkCreateSessions(plane), { readMaxBytes: LARGEST_MESSAGE_BYTES });
      router.service(
        { ...Proxies, methods: Proxies.methods.filter((method) => method !== bulk) },
        {
          ...sessionsService(plane),
          ...sessionStatesService(plane),
          ...poolsService(plane),
          ...providersService(plane),
          ...assignmentsService(plane),
          ...usageService(plane),
          ...observingService(plane),
        },
      );
    },
  };
}

/** The largest message of a method whose body we decode; Connect's own bound serves gRPC. */
function limitOf(input: DescMessage): number {
  return input === BulkCreateSessionsRequestSchema ? LARGEST_MESSAGE_BYTES : MESSAGE_BYTES;
}
