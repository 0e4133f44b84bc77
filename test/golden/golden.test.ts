/**
 * Conversations in text files, each with its script and its transcript; see `conversation.ts`. Where the server has changed on
 * purpose, `npm run test:update` writes the transcripts anew, to be reviewed as a diff.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Server } from '../support/server.ts'
import { play, settingsOf } from './conversation.ts'

const directory = join('test', 'golden')
const isUpdate = process.env['SLUICE_UPDATE'] === '1'

/** What all scripts without settings of their own have: one listener for clients that neither speak TLS nor log in. */
const SETTINGS = { listeners: { trusted: [{ name: 'gateways', port: 0, project: 'trusted', accessKeyId: 'gateway' }] } }

describe('a golden conversation', () => {
  let server: Server

  before(async () => {
    server = await Server.start({ settings: SETTINGS })
  })

  after(() => server?.remove())

  for (const name of readdirSync(directory).filter(name => name.endsWith('.txt')))
    it(`goes as it is written: ${name}`, async () => {
      const path = join(directory, name)
      const expected = readFileSync(path, 'utf8')
      const settings = settingsOf(expected)
      const own = settings && (await Server.start({ settings }))
      try {
        const actual = await play(expected, own ?? server)
        if (isUpdate) writeFileSync(path, actual)
        else assert.equal(actual, expected)
      } finally {
        await own?.remove()
      }
    })
})
