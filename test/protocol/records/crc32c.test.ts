import assert from 'node:assert/strict'
import { crc32c } from '../../../protocol/records/crc32c.ts'

describe('crc32c', () => {
  it('is the Castagnoli checksum (RFC 3720, B.4)', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
    assert.equal(crc32c(Buffer.alloc(0)), 0)
  })

  it('goes on from an earlier checksum', () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256))
    for (const cut of [0, 1, 7, 500, 1000]) {
      assert.equal(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), crc32c(bytes))
    }
  })
})
