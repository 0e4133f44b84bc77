import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { loadConfig } from '../src/config/load-config.ts'
import { formatDefaultConfig } from '../src/config/settings.ts'

// Tests run in the root of the repository.
const readme = readFileSync('README.md', 'utf8')
const configuration = readFileSync('docs/configuration.md', 'utf8')

describe('docs/configuration.md', () => {
  it('shows all settings with their defaults, as the server prints them', () => {
    const [, settings = ''] = configuration.split('## All settings')
    const [, shown] = /```yaml\n([^]*?)```/.exec(settings) ?? []
    assert.equal(shown, formatDefaultConfig())
  })

  it('has examples that load', () => {
    const [examples = ''] = configuration.split('## All settings')
    const found = [...examples.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml]) => yaml!)
    const file = join(mkdtempSync(join(tmpdir(), 'sluice-docs-')), 'sluice.yaml')
    const configs = found.map(yaml => {
      writeFileSync(file, yaml)
      return loadConfig({ file })
    })
    rmSync(dirname(file), { recursive: true })
    assert.deepEqual(
      configs.map(({ quotas, listeners }) => [quotas.projects.length, listeners.trusted.length]),
      [
        [1, 0],
        [0, 1],
        [0, 1],
      ],
    )
  })
})

describe('the README', () => {
  it('names scripts that there are', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    for (const [command, run, test] of readme.matchAll(/npm (?:run ([\w:]+)|(test))/g))
      assert(scripts[run ?? test!] !== undefined, command)
  })
})
