/**
 * `sluice certs`: a development CA and server certificate.
 */
import { resolve } from 'node:path'
import { Command } from 'commander'
import { developmentHosts, makeCertificates } from '../../certs/development.ts'

export function certsCommand(): Command {
  return new Command('certs')
    .description('make a development CA and a server certificate: ca.pem, server.pem, server.key')
    .argument('<directory>', 'where to put them; a CA that is there already signs again')
    .option('--host <name...>', 'further names and addresses that the certificate is for, beside those of this machine')
    .option('--json', 'print the paths and hosts as JSON')
    .action(async (directory: string, { host = [], json }: { host?: string[]; json?: boolean }) => {
      const made = await makeCertificates({ directory: resolve(directory), hosts: [...developmentHosts(), ...host] })
      if (json === true) return console.log(JSON.stringify(made))
      console.log(
        made.isNew
          ? `made a certificate for ${made.hosts.join(', ')}`
          : `the certificate for ${made.hosts.join(', ')} is still good`,
      )
      console.log(`  server: tls.cert ${made.certFile}\n          tls.key  ${made.keyFile}\n  clients trust ${made.caFile}`)
    })
}
