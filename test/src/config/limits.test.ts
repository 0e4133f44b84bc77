import assert from 'node:assert/strict'
import { defaultLimits, findLimitConflicts } from '../../../src/config/limits.ts'

describe('limits', () => {
  it('agree with each other by default', () => assert.deepEqual(findLimitConflicts(defaultLimits), []))

  it('conflict when they cannot hold together, each with a sentence of its own', () => {
    const limits = {
      ...defaultLimits,
      requestBytes: 1000,
      unauthenticatedRequestBytes: 1001,
      bufferedBytes: 1999,
      connections: 1999,
    }
    assert.deepEqual(findLimitConflicts({ ...limits, idleMs: 1000, unauthenticatedMs: 1001 }), [
      'limits.unauthenticatedRequestBytes must not be above limits.requestBytes',
      'limits.bufferedBytes must be at least twice limits.requestBytes',
      'limits.connectionsPerSource must not be above limits.connections',
      'limits.unauthenticatedMs must not be above limits.idleMs',
    ])
  })
})
