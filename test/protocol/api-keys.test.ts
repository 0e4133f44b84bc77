import assert from 'node:assert/strict'
import { ApiKey, apiName } from '../../protocol/api-keys.ts'
import { apis, findApi } from '../../protocol/messages/apis.ts'

describe('api keys', () => {
  it('give a name to every number', () => {
    assert.equal(apiName(ApiKey.Produce), 'Produce')
    assert.equal(apiName(36), 'SaslAuthenticate')
    assert.equal(apiName(4711), 'api 4711')
  })

  it('find the messages that are declared, request and response with the same versions', () => {
    assert.equal(apis.length, 9)
    for (const api of apis) {
      assert.equal(findApi(api.apiKey), api)
      assert.equal(api.request.name, `${api.name}Request`)
      assert.equal(api.response.name, `${api.name}Response`)
      for (const message of [api.request, api.response]) assert.equal(message.apiKey, api.apiKey)
      assert.equal(api.request.maxVersion, api.response.maxVersion)
      assert.equal(api.request.minVersion, 0)
    }
    assert.equal(findApi(ApiKey.JoinGroup), undefined)
  })
})
