/** Applies the table of request rules before a service sees a message; all broken rules are told at once. */
import type { Interceptor } from '@connectrpc/connect';
import { malformed } from '../domain-error.ts';
import { messageOf } from '../json-body.ts';
import { violationsOf } from '../request-rules.ts';

export const validateRequest: Interceptor = (next) => async (request) => {
  const found = violationsOf(request.method.input, messageOf(request));
  if (found.length > 0) throw malformed(found);
  return next(request);
};
