/**
 * One server of a test's cluster, as an operator would run it: the engine as a process of its own, which has files, addresses and users of
 * its own and knows nothing of sluice. It ends when its standard input does.
 *
 *     node cluster-node.js DIRECTORY HOST HTTP-PORT TCP-PORT CONFIG-FILE
 */
import { libchdbPath } from 'chdb/libchdb'
import { DataType, load, open } from 'ffi-rs'

const [directory, host, httpPort, tcpPort, configFile] = process.argv.slice(2)
const query =
  'SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT count(sleepEachRow(1)) FROM numbers(4000000000) FORMAT Null ' +
  'SETTINGS max_block_size=1, max_threads=1, max_execution_time=0'
const args = ['clickhouse', `--path=${directory}`, `--listen_host=${host}`, `--http_port=${httpPort}`, `--tcp_port=${tcpPort}`]
args.push(`--config-file=${configFile}`, '--query', query)

process.stdin.resume().once('end', () => process.kill(process.pid, 'SIGKILL'))
open({ library: 'chdb', path: libchdbPath() })
const served = load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, args],
  runInNewThread: true,
}) as unknown as Promise<unknown>
void served.then(() => process.exit(1))
