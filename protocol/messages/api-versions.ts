/**
 * ApiVersions: which requests the broker answers, and in which versions (KIP-35).
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 1 | | throttleTimeMs |
 * | 3 | clientSoftwareName, clientSoftwareVersion (KIP-511); flexible | features, tagged (KIP-584); flexible |
 *
 * 2 and 4 are like the version before them. The header of the response is never flexible: the client must be able to read it
 * before it knows what the broker speaks.
 */
import { ApiKey } from '../api-keys.ts'
import { ErrorCode } from '../error-codes.ts'
import { message } from '../message.ts'
import { array, bool, type InputOf, int16, int32, int64, since, string, tagged, type ValueOf } from '../schema.ts'

const options = { apiKey: ApiKey.ApiVersions, versions: [0, 4], flexibleFrom: 3 } as const

export const apiVersionsRequest = message('ApiVersionsRequest', options, {
  clientSoftwareName: since(3, string),
  clientSoftwareVersion: since(3, string),
})
export type ApiVersionsRequest = ValueOf<typeof apiVersionsRequest>

export const apiVersionsResponse = message('ApiVersionsResponse', options, {
  errorCode: int16,
  apiKeys: array({ apiKey: int16, minVersion: int16, maxVersion: int16 }),
  throttleTimeMs: since(1, int32),
  supportedFeatures: tagged(0, 3, array({ name: string, minVersion: int16, maxVersion: int16 })),
  finalizedFeaturesEpoch: tagged(1, 3, int64, -1),
  finalizedFeatures: tagged(2, 3, array({ name: string, maxVersionLevel: int16, minVersionLevel: int16 })),
  zkMigrationReady: tagged(3, 3, bool),
})
export type ApiVersionsResponse = ValueOf<typeof apiVersionsResponse>
export type ApiVersionsResponseInput = InputOf<typeof apiVersionsResponse>

/** What a broker announces of one API. */
export type ApiVersionRange = ApiVersionsResponse['apiKeys'][number]

/**
 * The answer to an ApiVersions request of a version that is not announced; to be encoded in version 0, which every client can
 * read. It says error 35 and, so that the client can ask again without trying, the versions of ApiVersions itself (KIP-511).
 */
export function unsupportedApiVersions(announced: readonly ApiVersionRange[]): ApiVersionsResponseInput {
  return {
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: announced.filter(range => range.apiKey === ApiKey.ApiVersions),
  }
}
