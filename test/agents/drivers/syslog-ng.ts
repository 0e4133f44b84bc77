/** syslog-ng, kafka-c(). */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { syslogAgent } from './syslog.ts'

export const syslogNg = syslogAgent({
  name: 'syslog-ng',
  program: 'syslog-ng',
  packages: ['syslog-ng-core', 'syslog-ng-mod-rdkafka'],
  elsewhere: 'https://www.syslog-ng.com',
  versionOption: '--version',
  state: 'var/lib/syslog-ng',
  surround({ installation, directory, input, printed }) {
    const file = join(directory, 'syslog-ng.conf')
    writeFileSync(
      file,
      `@version: 3.38
source s_src {
  file("${input}" flags(no-parse) program-override("app") default-severity(warning) default-facility(local3));
};
@include "${printed}"
`,
    )
    const modules = installation
      .find('usr/lib/syslog-ng/*')
      .filter(path => !path.includes('.so'))
      .join(':')
    const own = ['-R', join(directory, 'persist'), '--pidfile', join(directory, 'syslog-ng.pid'), '-c', join(directory, 'ctl')]
    return ['-F', '--stderr', '--no-caps', '--module-path', modules, '-f', file, ...own]
  },
  fields: { severity: 'warning', facility: 'local3', program: 'app', pid: '' },
})
