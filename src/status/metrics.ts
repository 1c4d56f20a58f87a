/** The host's figures in Prometheus text format; plain fields are copied in when somebody asks, nothing is counted twice. */
import type { StatusReport } from '../model/status.ts';

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
  { name: 'farshore_nbd_connections', help: 'NBD clients', type: 'gauge', value: (report) => report.nbd?.connections ?? null },
];

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
  const memory = process.memoryUsage();
  new Gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory', registers: [registry] }).set(memory.rss);
  return registry.metrics();
}

function number(text: string | null): number | null {
  return text === null ? null : Number(text);
}
