/** The host's figures in Prometheus text format; plain fields are copied in when somebody asks, nothing is counted twice. */
import type { Metric } from 'prom-client';
import { LATENCY_BOUNDS_SECONDS } from '../model/latency-histogram.ts';
import type { LatencyReport, LatencyReports, StatusReport } from '../model/status.ts';

interface Figure {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly value: (report: StatusReport) => number | null;
}

const FIGURES: readonly Figure[] = [
  {
    name: 'farshore_behind_data_sets',
    help: 'Data sets between the head and what is destaged',
    type: 'gauge',
    value: (report) => report.behind.dataSets,
  },
  {
    name: 'farshore_behind_bytes',
    help: 'Encoded bytes between the head and what is destaged',
    type: 'gauge',
    value: (report) => report.behind.bytes,
  },
  {
    name: 'farshore_behind_seconds',
    help: 'Age of the oldest write that is not destaged',
    type: 'gauge',
    value: (report) => report.behind.seconds,
  },
  { name: 'farshore_objective_seconds', help: 'Recovery point objective', type: 'gauge', value: (report) => report.objectiveSeconds },
  {
    name: 'farshore_destaged_data_set',
    help: 'Data set at which the copy is consistent',
    type: 'gauge',
    value: (report) => number(report.dataSets.destaged),
  },
  {
    name: 'farshore_complete_data_set',
    help: 'Newest data set that is complete with all before it',
    type: 'gauge',
    value: (report) => number(report.dataSets.complete),
  },
  {
    name: 'farshore_acknowledged_data_set',
    help: 'Newest data set that is acknowledged complete with all before it',
    type: 'gauge',
    value: (report) => number(report.dataSets.acknowledged),
  },
  {
    name: 'farshore_backlog_bytes',
    help: 'Encoded bytes that are not acknowledged',
    type: 'gauge',
    value: (report) => report.backlog?.bytes ?? null,
  },
  {
    name: 'farshore_backlog_limit_bytes',
    help: 'Unacknowledged bytes beyond which writes wait',
    type: 'gauge',
    value: (report) => report.backlog?.limitBytes ?? null,
  },
  {
    name: 'farshore_throttled_seconds_total',
    help: 'Seconds in which writes of the application waited',
    type: 'counter',
    value: (report) => report.backlog?.throttledSeconds ?? null,
  },
  {
    name: 'farshore_links_up',
    help: 'Links that are agreed and open',
    type: 'gauge',
    value: (report) => report.links.filter((link) => link.up).length,
  },
  { name: 'farshore_journals_active', help: 'Journal slots in use', type: 'gauge', value: (report) => report.journals.active },
  {
    name: 'farshore_journals_partial',
    help: 'Active data sets that are incomplete',
    type: 'gauge',
    value: (report) => report.journals.partial,
  },
  {
    name: 'farshore_journals_failed_total',
    help: 'Journals whose write failed',
    type: 'counter',
    value: (report) => report.journals.failed,
  },
  { name: 'farshore_rejects_total', help: 'Records that were rejected', type: 'counter', value: (report) => report.rejects },
  { name: 'farshore_duplicates_total', help: 'Records that were received twice', type: 'counter', value: (report) => report.duplicates },
  { name: 'farshore_resends_total', help: 'Records that were sent again', type: 'counter', value: (report) => report.resends },
  {
    name: 'farshore_peer_up',
    help: '1 while the peer holds what is acknowledged: write-back',
    type: 'gauge',
    value: ({ peer }) => (peer === null ? null : Number(peer.up)),
  },
  {
    name: 'farshore_peer_held_records',
    help: 'Records that the peer holds for this secondary',
    type: 'gauge',
    value: ({ peer }) => peer?.heldRecords ?? null,
  },
  {
    name: 'farshore_peer_held_bytes',
    help: 'Encoded bytes that the peer holds for this secondary',
    type: 'gauge',
    value: ({ peer }) => peer?.heldBytes ?? null,
  },
  {
    name: 'farshore_exposed_records',
    help: 'Acknowledged records that neither a journal nor the peer has',
    type: 'gauge',
    value: ({ peer }) => peer?.exposedRecords ?? null,
  },
  { name: 'farshore_nvram_size_bytes', help: 'Size of the NVRAM region', type: 'gauge', value: ({ nvram }) => nvram?.sizeBytes ?? null },
  { name: 'farshore_nvram_held_bytes', help: 'Encoded bytes in the region', type: 'gauge', value: ({ nvram }) => nvram?.heldBytes ?? null },
  { name: 'farshore_nvram_held_records', help: 'Records in the region', type: 'gauge', value: ({ nvram }) => nvram?.heldRecords ?? null },
  { name: 'farshore_nvram_free_bytes', help: 'Room in the region', type: 'gauge', value: ({ nvram }) => nvram?.freeBytes ?? null },
  {
    name: 'farshore_event_loop_stall_seconds_max',
    help: 'Longest time in which the event loop did nothing else, since the start',
    type: 'gauge',
    value: ({ eventLoop }) => eventLoop?.longestStallSeconds ?? null,
  },
  {
    name: 'farshore_event_loop_stall_seconds_max_1m',
    help: 'Longest time in which the event loop did nothing else, in the last 60 seconds',
    type: 'gauge',
    value: ({ eventLoop }) => eventLoop?.longestStallLastMinuteSeconds ?? null,
  },
  {
    name: 'farshore_event_loop_processor_wait_seconds_total',
    help: 'Time in which the thread of the event loop could run and got no processor',
    type: 'counter',
    value: ({ eventLoop }) => eventLoop?.waitedForProcessorSeconds ?? null,
  },
  { name: 'farshore_nbd_connections', help: 'NBD clients', type: 'gauge', value: (report) => report.nbd?.connections ?? null },
];

const HISTOGRAMS: { readonly [Name in keyof LatencyReports]: { readonly name: string; readonly help: string } } = {
  recordAcknowledged: {
    name: 'farshore_record_acknowledged_seconds',
    help: 'From the reply to the application to the acknowledgement of the record; counts records, sampled',
  },
  recoveryPoint: {
    name: 'farshore_recovery_point_seconds',
    help: 'From the oldest write of the data set of a record until the data set is destaged; counts records',
  },
  recoveryPointFromCut: {
    name: 'farshore_recovery_point_from_cut_seconds',
    help: 'From the closing of the data set of a record until the data set is destaged; counts records',
  },
  journalCommit: { name: 'farshore_journal_commit_seconds', help: 'One commit of one journal, write and flush' },
  destage: { name: 'farshore_destage_seconds', help: 'Destage of one data set, flush of the volumes included' },
};

/** Render all figures that the host has. */
export async function renderMetrics(report: StatusReport): Promise<string> {
  const { Registry, Gauge, Counter } = await import('prom-client');
  const registry = new Registry();
  registry.setDefaultLabels({ group: report.group, role: report.role });
  for (const figure of FIGURES) {
    const value = figure.value(report);
    if (value === null) continue;
    const options = { name: figure.name, help: figure.help, registers: [registry] };
    if (figure.type === 'gauge') new Gauge(options).set(value);
    else new Counter(options).inc(value);
  }
  new Gauge({ name: 'farshore_state', help: '1 for the state that the host is in', labelNames: ['state'], registers: [registry] }).set(
    { state: report.state },
    1,
  );
  for (const [kind, { name, help }] of Object.entries(HISTOGRAMS)) {
    const latency = report.latencies[kind as keyof LatencyReports];
    if (latency !== null) registry.registerMetric(histogramOf(name, help, latency) as unknown as Metric);
  }
  const memory = process.memoryUsage();
  new Gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory', registers: [registry] }).set(memory.rss);
  return registry.metrics();
}

function number(text: string | null): number | null {
  return text === null ? null : Number(text);
}

/** What a registry asks of a metric: prom-client's own histogram counts by itself, and this one is counted already. */
function histogramOf(name: string, help: string, { buckets, count, sumSeconds }: LatencyReport): object {
  const bounded = LATENCY_BOUNDS_SECONDS.map((le, index) => ({
    metricName: `${name}_bucket`,
    labels: { le: String(le) },
    value: buckets[index] ?? 0,
  }));
  const values = [
    ...bounded,
    { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels: {}, value: sumSeconds },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
  return { name, get: () => Promise.resolve({ name, help, type: 'histogram', values }) };
}
