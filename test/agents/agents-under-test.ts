/** All agents that sluice is tested with, in the order in which they are run. */
import type { AgentUnderTest } from './agent-under-test.ts'
import { apinto } from './drivers/apinto.ts'
import { collectd } from './drivers/collectd.ts'
import { filebeat } from './drivers/filebeat.ts'
import { kafkajs } from './drivers/kafkajs.ts'
import { kcat } from './drivers/kcat.ts'
import { librdkafkaAgents } from './drivers/librdkafka.ts'
import { logstash } from './drivers/logstash.ts'
import { otelCollector } from './drivers/otel-collector.ts'
import { rsyslog } from './drivers/rsyslog.ts'
import { syslogNg } from './drivers/syslog-ng.ts'
import { telegraf } from './drivers/telegraf.ts'

export const agentsUnderTest: readonly AgentUnderTest[] = [
  kcat,
  rsyslog,
  syslogNg,
  ...collectd,
  ...filebeat,
  ...telegraf,
  ...otelCollector,
  logstash,
  ...librdkafkaAgents,
  ...apinto,
  kafkajs,
]
