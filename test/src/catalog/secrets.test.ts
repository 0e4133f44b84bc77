import assert from 'node:assert/strict'
import { scryptSync } from 'node:crypto'
import { hashSecret, isSecretHash, randomText, verifySecret } from '../../../src/catalog/secrets.ts'

describe('a hashed secret', () => {
  it('is known again, and no other is taken for it', async () => {
    const hash = await hashSecret('the secret')
    assert.equal(await verifySecret('the secret', hash), true)
    for (const wrong of ['', 'The secret', 'the secret ', 'the secre'])
      assert.equal(await verifySecret(wrong, hash), false, wrong)
  })

  it('is hashed differently each time', async () => {
    assert.notEqual(await hashSecret('the secret'), await hashSecret('the secret'))
  })

  it('is scrypt with the parameters and the salt that stand in it', async () => {
    const [, name, parameters, salt, hash] = (await hashSecret('the secret')).split('$')
    assert.deepEqual([name, parameters], ['scrypt', 'ln=14,r=8,p=1'])
    const expected = scryptSync('the secret', Buffer.from(salt!, 'base64url'), 32, { N: 16_384, r: 8, p: 1 })
    assert.equal(hash, expected.toString('base64url'))
  })

  it('can be checked when it was hashed with other parameters than today', async () => {
    const salt = Buffer.alloc(16, 7)
    const hash = scryptSync('the secret', salt, 32, { N: 1024, r: 4, p: 2 }).toString('base64url')
    assert.equal(await verifySecret('the secret', `$scrypt$ln=10,r=4,p=2$${salt.toString('base64url')}$${hash}`), true)
  })

  it('is not taken for one when it is anything else', async () => {
    const hash = await hashSecret('the secret')
    assert.equal(isSecretHash(hash), true)
    for (const wrong of [
      '',
      'the secret',
      hash.slice(0, -1),
      `${hash}A`,
      hash.replace('ln=14', 'ln=30'),
      hash.replace('scrypt', 'bcrypt'),
    ])
      assert.equal(isSecretHash(wrong), false, wrong)
    await assert.rejects(verifySecret('the secret', 'plain'), TypeError)
  })
})

describe('random text', () => {
  it('has the length that was asked for, of letters and digits, and never comes twice', () => {
    const texts = Array.from({ length: 1000 }, () => randomText(20))
    for (const text of texts) assert.match(text, /^[A-Za-z0-9]{20}$/)
    assert.equal(new Set(texts).size, 1000)
    assert.equal(new Set(texts.join('')).size, 62)
  })
})
