import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { formatDefaultConfig } from '../src/config/settings.ts'

// Tests run in the root of the repository.
const readme = readFileSync('README.md', 'utf8')

describe('the README', () => {
  it('shows all settings with their defaults, as the server prints them', () => {
    const [, configuration = ''] = readme.split('## Configuration')
    const [, shown] = /```yaml\n([^]*?)```/.exec(configuration) ?? []
    assert.equal(shown, formatDefaultConfig())
  })

  it('names scripts that there are', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    for (const [command, run, test] of readme.matchAll(/npm (?:run ([\w:]+)|(test))/g))
      assert(scripts[run ?? test!] !== undefined, command)
  })
})
