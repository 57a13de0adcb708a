/** The rules of each request about pools. */
import * as rule from '../field-rules.ts';
import { required } from '../field-rules.ts';
import * as pb from '../gen/proxies/v1/proxies_pb.ts';
import { byId, id, type MessageRules, on, page } from './message-rules.ts';

export const POOL_RULES: readonly MessageRules[] = [
  on(pb.CreatePoolRequestSchema, { workspaceId: id, name: required(rule.poolName) }),
  on(pb.GetPoolRequestSchema, byId('poolId')),
  on(pb.ListPoolsRequestSchema, { workspaceId: id, ...page }),
];
