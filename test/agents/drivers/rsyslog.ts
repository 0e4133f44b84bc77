/** rsyslog, omkafka. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { syslogAgent } from './syslog.ts'

export const rsyslog = syslogAgent({
  name: 'rsyslog',
  program: 'rsyslogd',
  packages: ['rsyslog', 'rsyslog-kafka'],
  elsewhere: 'https://www.rsyslog.com',
  versionOption: '-v',
  state: 'var/spool/rsyslog',
  surround({ installation, directory, input, printed }) {
    const file = join(directory, 'rsyslog.conf')
    writeFileSync(
      file,
      `global(workDirectory="${directory}")
module(load="imfile" mode="polling" pollingInterval="1")
input(type="imfile" file="${input}" tag="app[7]:" facility="local3" severity="warning")
include(file="${printed}")
`,
    )
    const modules = installation.find('usr/lib/*-linux-gnu/rsyslog').join(':')
    return ['-n', '-M', modules, '-f', file, '-i', join(directory, 'rsyslogd.pid')]
  },
  fields: { severity: 'warning', facility: 'local3', program: 'app', pid: '7' },
})
