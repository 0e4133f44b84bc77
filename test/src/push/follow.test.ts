import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { followFile } from '../../../src/push/follow.ts'
import { makeDirectory } from '../../support/server.ts'

describe('followFile', () => {
  it('holds little more memory than what it has read', async () => {
    const path = join(await makeDirectory(), 'slow.log')
    await writeFile(path, '.')
    const stop = new AbortController()
    for await (const piece of followFile(path, stop.signal)) {
      assert(Buffer.isBuffer(piece) && piece.toString() === '.')
      assert(piece.buffer.byteLength <= 2 ** 16, String(piece.buffer.byteLength))
      stop.abort()
    }
  })
})
