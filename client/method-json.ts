/**
 * Which JSON each method takes and answers (each message of a stream), by its path:
 * types for programs that call with `fetch`. Written by `node scripts/write-method-json.ts`.
 */
import type * as accounts from '../control/gen/accounts/v1/accounts_pb.ts';
import type * as proxies from '../control/gen/proxies/v1/proxies_pb.ts';

/** Request bodies, by `package.Service/Method`. */
export interface RequestJson {
  readonly 'accounts.v1.Accounts/CreateWorkspace': accounts.CreateWorkspaceRequestJson;
  readonly 'accounts.v1.Accounts/GetWorkspace': accounts.GetWorkspaceRequestJson;
  readonly 'accounts.v1.Accounts/BatchGetWorkspaces': accounts.BatchGetWorkspacesRequestJson;
  readonly 'accounts.v1.Accounts/ListWorkspaces': accounts.ListWorkspacesRequestJson;
  readonly 'accounts.v1.Accounts/UpdateWorkspace': accounts.UpdateWorkspaceRequestJson;
  readonly 'accounts.v1.Accounts/DeleteWorkspace': accounts.DeleteWorkspaceRequestJson;
  readonly 'accounts.v1.Accounts/RotateWorkspaceKey': accounts.RotateWorkspaceKeyRequestJson;
  readonly 'accounts.v1.Accounts/RotateMasterKey': accounts.RotateMasterKeyRequestJson;
  readonly 'accounts.v1.Accounts/CreateBackup': accounts.CreateBackupRequestJson;
  readonly 'accounts.v1.Accounts/CreateAPIKey': accounts.CreateAPIKeyRequestJson;
  readonly 'accounts.v1.Accounts/ListAPIKeys': accounts.ListAPIKeysRequestJson;
  readonly 'accounts.v1.Accounts/DeleteAPIKey': accounts.DeleteAPIKeyRequestJson;
  readonly 'accounts.v1.Accounts/ListPolicies': accounts.ListPoliciesRequestJson;
  readonly 'accounts.v1.Accounts/ListAuditEvents': accounts.ListAuditEventsRequestJson;
  readonly 'proxies.v1.Proxies/CreateSession': proxies.CreateSessionRequestJson;
  readonly 'proxies.v1.Proxies/BulkCreateSessions': proxies.BulkCreateSessionsRequestJson;
  readonly 'proxies.v1.Proxies/GetSession': proxies.GetSessionRequestJson;
  readonly 'proxies.v1.Proxies/UpdateSession': proxies.UpdateSessionRequestJson;
  readonly 'proxies.v1.Proxies/DeleteSession': proxies.DeleteSessionRequestJson;
  readonly 'proxies.v1.Proxies/ListSessions': proxies.ListSessionsRequestJson;
  readonly 'proxies.v1.Proxies/BatchGetSessions': proxies.BatchGetSessionsRequestJson;
  readonly 'proxies.v1.Proxies/ListSessionStates': proxies.ListSessionStatesRequestJson;
  readonly 'proxies.v1.Proxies/CreatePool': proxies.CreatePoolRequestJson;
  readonly 'proxies.v1.Proxies/GetPool': proxies.GetPoolRequestJson;
  readonly 'proxies.v1.Proxies/BatchGetPools': proxies.BatchGetPoolsRequestJson;
  readonly 'proxies.v1.Proxies/UpdatePool': proxies.UpdatePoolRequestJson;
  readonly 'proxies.v1.Proxies/DeletePool': proxies.DeletePoolRequestJson;
  readonly 'proxies.v1.Proxies/ListPools': proxies.ListPoolsRequestJson;
  readonly 'proxies.v1.Proxies/ConnectProvider': proxies.ConnectProviderRequestJson;
  readonly 'proxies.v1.Proxies/GetProvider': proxies.GetProviderRequestJson;
  readonly 'proxies.v1.Proxies/UpdateProvider': proxies.UpdateProviderRequestJson;
  readonly 'proxies.v1.Proxies/RefreshProviderState': proxies.RefreshProviderStateRequestJson;
  readonly 'proxies.v1.Proxies/DeleteProvider': proxies.DeleteProviderRequestJson;
  readonly 'proxies.v1.Proxies/ListProviders': proxies.ListProvidersRequestJson;
  readonly 'proxies.v1.Proxies/BatchGetProviders': proxies.BatchGetProvidersRequestJson;
  readonly 'proxies.v1.Proxies/CreateAssignment': proxies.CreateAssignmentRequestJson;
  readonly 'proxies.v1.Proxies/GetAssignment': proxies.GetAssignmentRequestJson;
  readonly 'proxies.v1.Proxies/UpdateAssignment': proxies.UpdateAssignmentRequestJson;
  readonly 'proxies.v1.Proxies/RebindAssignment': proxies.RebindAssignmentRequestJson;
  readonly 'proxies.v1.Proxies/BulkCreateAssignment': proxies.BulkCreateAssignmentRequestJson;
  readonly 'proxies.v1.Proxies/DeleteAssignment': proxies.DeleteAssignmentRequestJson;
  readonly 'proxies.v1.Proxies/ListAssignments': proxies.ListAssignmentsRequestJson;
  readonly 'proxies.v1.Proxies/BatchGetAssignments': proxies.BatchGetAssignmentsRequestJson;
  readonly 'proxies.v1.Proxies/QueryProxyUsage': proxies.QueryProxyUsageRequestJson;
  readonly 'proxies.v1.Proxies/ResolveSession': proxies.ResolveSessionRequestJson;
  readonly 'proxies.v1.Proxies/GetRequest': proxies.GetRequestRequestJson;
  readonly 'proxies.v1.Proxies/TailRequests': proxies.TailRequestsRequestJson;
}

/** Response bodies, by `package.Service/Method`. */
export interface ResponseJson {
  readonly 'accounts.v1.Accounts/CreateWorkspace': accounts.CreateWorkspaceResponseJson;
  readonly 'accounts.v1.Accounts/GetWorkspace': accounts.GetWorkspaceResponseJson;
  readonly 'accounts.v1.Accounts/BatchGetWorkspaces': accounts.BatchGetWorkspacesResponseJson;
  readonly 'accounts.v1.Accounts/ListWorkspaces': accounts.ListWorkspacesResponseJson;
  readonly 'accounts.v1.Accounts/UpdateWorkspace': accounts.UpdateWorkspaceResponseJson;
  readonly 'accounts.v1.Accounts/DeleteWorkspace': accounts.DeleteWorkspaceResponseJson;
  readonly 'accounts.v1.Accounts/RotateWorkspaceKey': accounts.RotateWorkspaceKeyResponseJson;
  readonly 'accounts.v1.Accounts/RotateMasterKey': accounts.RotateMasterKeyResponseJson;
  readonly 'accounts.v1.Accounts/CreateBackup': accounts.CreateBackupResponseJson;
  readonly 'accounts.v1.Accounts/CreateAPIKey': accounts.CreateAPIKeyResponseJson;
  readonly 'accounts.v1.Accounts/ListAPIKeys': accounts.ListAPIKeysResponseJson;
  readonly 'accounts.v1.Accounts/DeleteAPIKey': accounts.DeleteAPIKeyResponseJson;
  readonly 'accounts.v1.Accounts/ListPolicies': accounts.ListPoliciesResponseJson;
  readonly 'accounts.v1.Accounts/ListAuditEvents': accounts.ListAuditEventsResponseJson;
  readonly 'proxies.v1.Proxies/CreateSession': proxies.CreateSessionResponseJson;
  readonly 'proxies.v1.Proxies/BulkCreateSessions': proxies.BulkCreateSessionsResponseJson;
  readonly 'proxies.v1.Proxies/GetSession': proxies.GetSessionResponseJson;
  readonly 'proxies.v1.Proxies/UpdateSession': proxies.UpdateSessionResponseJson;
  readonly 'proxies.v1.Proxies/DeleteSession': proxies.DeleteSessionResponseJson;
  readonly 'proxies.v1.Proxies/ListSessions': proxies.ListSessionsResponseJson;
  readonly 'proxies.v1.Proxies/BatchGetSessions': proxies.BatchGetSessionsResponseJson;
  readonly 'proxies.v1.Proxies/ListSessionStates': proxies.ListSessionStatesResponseJson;
  readonly 'proxies.v1.Proxies/CreatePool': proxies.CreatePoolResponseJson;
  readonly 'proxies.v1.Proxies/GetPool': proxies.GetPoolResponseJson;
  readonly 'proxies.v1.Proxies/BatchGetPools': proxies.BatchGetPoolsResponseJson;
  readonly 'proxies.v1.Proxies/UpdatePool': proxies.UpdatePoolResponseJson;
  readonly 'proxies.v1.Proxies/DeletePool': proxies.DeletePoolResponseJson;
  readonly 'proxies.v1.Proxies/ListPools': proxies.ListPoolsResponseJson;
  readonly 'proxies.v1.Proxies/ConnectProvider': proxies.ConnectProviderResponseJson;
  readonly 'proxies.v1.Proxies/GetProvider': proxies.GetProviderResponseJson;
  readonly 'proxies.v1.Proxies/UpdateProvider': proxies.UpdateProviderResponseJson;
  readonly 'proxies.v1.Proxies/RefreshProviderState': proxies.RefreshProviderStateResponseJson;
  readonly 'proxies.v1.Proxies/DeleteProvider': proxies.DeleteProviderResponseJson;
  readonly 'proxies.v1.Proxies/ListProviders': proxies.ListProvidersResponseJson;
  readonly 'proxies.v1.Proxies/BatchGetProviders': proxies.BatchGetProvidersResponseJson;
  readonly 'proxies.v1.Proxies/CreateAssignment': proxies.CreateAssignmentResponseJson;
  readonly 'proxies.v1.Proxies/GetAssignment': proxies.GetAssignmentResponseJson;
  readonly 'proxies.v1.Proxies/UpdateAssignment': proxies.UpdateAssignmentResponseJson;
  readonly 'proxies.v1.Proxies/RebindAssignment': proxies.RebindAssignmentResponseJson;
  readonly 'proxies.v1.Proxies/BulkCreateAssignment': proxies.BulkCreateAssignmentResponseJson;
  readonly 'proxies.v1.Proxies/DeleteAssignment': proxies.DeleteAssignmentResponseJson;
  readonly 'proxies.v1.Proxies/ListAssignments': proxies.ListAssignmentsResponseJson;
  readonly 'proxies.v1.Proxies/BatchGetAssignments': proxies.BatchGetAssignmentsResponseJson;
  readonly 'proxies.v1.Proxies/QueryProxyUsage': proxies.QueryProxyUsageResponseJson;
  readonly 'proxies.v1.Proxies/ResolveSession': proxies.ResolveSessionResponseJson;
  readonly 'proxies.v1.Proxies/GetRequest': proxies.GetRequestResponseJson;
  readonly 'proxies.v1.Proxies/TailRequests': proxies.TailRequestsResponseJson;
}
