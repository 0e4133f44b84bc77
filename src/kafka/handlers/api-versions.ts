/**
 * ApiVersions 0–4: what this server speaks. Answered in every state, as often as it is asked: Kong's library asks on a
 * connection that never authenticates, APISIX's in the middle of a stream.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts'
import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionRange,
  type ApiVersionsRequest,
  type ApiVersionsResponseInput,
} from '../../../protocol/messages/api-versions.ts'
import type { Handler } from '../handler.ts'

/** `ranges` is asked for at each call, since the table of handlers is complete only when this handler is in it. */
export function apiVersionsHandler(ranges: () => ApiVersionRange[]): Handler<ApiVersionsRequest, ApiVersionsResponseInput> {
  return {
    request: apiVersionsRequest,
    response: apiVersionsResponse,
    handle: () => ({ response: { errorCode: ErrorCode.NONE, apiKeys: ranges(), throttleTimeMs: 0 } }),
  }
}
