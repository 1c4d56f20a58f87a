/** The status as people read it: what the copy is, how records flow, how far it is behind (OPERATOR.md). */
import type { LatencyReport, LatencyReports, PeerReport, StatusReport } from '../model/status.ts';
import { formatBytes, formatLatency, formatSeconds } from '../model/units.ts';

type Paint = (code: number, text: string) => string;

/** Render the report in a few lines; `colours` marks what needs attention. */
export function renderStatus(report: StatusReport, colours: boolean): string {
  const paint: Paint = (code, text) => (colours ? `\u001B[${code}m${text}\u001B[39m` : text);
  const lines = [headline(report, paint), ...(report.role === 'peer' ? regionLines(report) : copyLines(report, paint))];
  lines.push(...latencyLines(report.latencies), ...loopLine(report));
  if (report.reason !== null) lines.push(row('because', paint(33, report.reason)));
  if (report.nbd !== null) lines.push(row('nbd', `${report.nbd.addresses.join(', ')}   clients ${report.nbd.connections}`));
  return `${lines.join('\n')}\n`;
}

function copyLines(report: StatusReport, paint: Paint): string[] {
  const lines = [...dataLines(report), ...flowLines(report)];
  if (report.mode !== 'none') lines.push(behindLine(report));
  if (report.role === 'primary') return [...lines, ...primaryLines(report)];
  return [...lines, ...secondaryLines(report), ...(report.peer === null ? [] : [peerLine(report.peer, report.state, paint)])];
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(9)} ${text}`;
}

function headline(report: StatusReport, paint: Paint): string {
  const good = report.state === 'replicating' || report.state === 'promoted';
  const state = paint(good ? 32 : report.state === 'failed' || report.state === 'superseded' ? 31 : 33, report.state);
  const parts = [`group ${report.group}`, `role ${report.role}`, `generation ${report.generation}`, `state ${state}`];
  if (report.mode !== 'none') {
    const peer = report.peer === null ? '' : ` (peer ${report.peer.address} ${report.peer.up ? paint(32, 'up') : paint(31, 'down')})`;
    // What an acknowledgement costs is the secondary's affair, of which a primary knows nothing.
    if (report.role !== 'primary') parts.push(`mode ${report.mode}${peer}`);
    if (report.role !== 'peer') parts.push(recoveryPoint(report, paint));
  }
  return parts.join('  ');
}

function recoveryPoint(report: StatusReport, paint: Paint): string {
  const { behind, objectiveSeconds } = report;
  if (objectiveSeconds === null) return `recovery point ${formatSeconds(behind.seconds)}`;
  const verdict = behind.seconds <= objectiveSeconds ? paint(32, 'MEETING') : paint(31, 'MISSING');
  return `  recovery point ${formatSeconds(behind.seconds)} of ${formatSeconds(objectiveSeconds)}: ${verdict}`;
}

function dataLines(report: StatusReport): string[] {
  const { consistentAt } = report;
  const whose = report.role === 'primary' && report.mode !== 'none' ? 'copy consistent' : 'consistent';
  if (consistentAt === null) return [row('data', `${whose} at the start: no data set is destaged yet`)];
  const cut = [consistentAt.reason, consistentAt.time === null ? null : clock(consistentAt.time)]
    .filter((part) => part !== null)
    .join(', ');
  return [row('data', `${whose} at data set ${consistentAt.dataSet}${cut === '' ? '' : ` (${cut})`}`)];
}

function flowLines(report: StatusReport): string[] {
  if (report.mode === 'none')
    return report.divergedFrom === null ? [] : [row('flow', `not replicating since data set ${report.divergedFrom}`)];
  const up = report.links.filter((link) => link.up).length;
  const positions = Object.entries(report.dataSets).filter(([, value]) => value !== null);
  const flow = positions.map(([name, value]) => `${name} ${value}`).join('  ');
  return [row('flow', `${flow === '' ? 'nothing yet' : flow}      links ${up}/${Math.max(up, report.links.length)}`)];
}

function behindLine(report: StatusReport): string {
  const { dataSets, bytes, seconds, etaSeconds } = report.behind;
  const eta = etaSeconds === null ? 'eta unknown' : `eta ${formatSeconds(etaSeconds)}`;
  return row('behind', `${dataSets} data sets  ${formatBytes(bytes)}  ${formatSeconds(seconds)}  ${dataSets === 0 ? '' : eta}`.trimEnd());
}

function primaryLines(report: StatusReport): string[] {
  if (report.backlog === null) return [];
  const { bytes, limitBytes, throttledSeconds } = report.backlog;
  return [
    row(
      'backlog',
      `${formatBytes(bytes)} of ${formatBytes(limitBytes)}   throttled ${formatSeconds(throttledSeconds)}   resends ${report.resends}   rejects ${report.rejects}`,
    ),
  ];
}

function secondaryLines(report: StatusReport): string[] {
  const { slots, active, partial, failed } = report.journals;
  return [row('journals', `${active}/${slots} active  ${partial} partial    rejected ${report.rejects}    failed ${failed}`)];
}

/** What the peer has, and what only this process has. */
function peerLine(peer: PeerReport, state: StatusReport['state'], paint: Paint): string {
  const { up, reason, regionId, hold, heldRecords, heldBytes, exposedRecords, mayHoldMore } = peer;
  const parts = up
    ? [`region ${shortened(regionId)} (${hold ?? 'memory'})`, `holds ${heldRecords} records, ${formatBytes(heldBytes)}`]
    : [`not used: ${reason ?? 'it is not there'}`];
  parts.push(exposedRecords === 0 ? 'exposed 0' : paint(31, `exposed ${exposedRecords} records until journaled`));
  if (!up && mayHoldMore !== null && state !== 'waiting-for-peer') parts.push(`a restart waits for region ${shortened(mayHoldMore)}`);
  return row('peer', parts.join('    '));
}

/** A peer has no copy: it has a region, and links. */
function regionLines({ nvram, links }: StatusReport): string[] {
  const up = links.filter((link) => link.up).length;
  const lines = [row('links', `${up}/${links.length}  ${links.map(({ address }) => address).join(', ')}`)];
  if (nvram === null) return lines;
  const { path, sizeBytes, hold, regionId, heldRecords, heldBytes, freeBytes } = nvram;
  const held = `holds ${heldRecords} records, ${formatBytes(heldBytes)}    free ${formatBytes(freeBytes)}`;
  return [row('nvram', `${path}  ${formatBytes(sizeBytes)}, hold ${hold}, region ${shortened(regionId)}`), row('', held), ...lines];
}

const LATENCY_NAMES: { readonly [Name in keyof LatencyReports]: string } = {
  recordAcknowledged: 'record acknowledged',
  recoveryPoint: 'recovery point',
  recoveryPointFromCut: 'recovery point from cut',
  journalCommit: 'journal commit',
  destage: 'destage',
};

/** One line for each kind of which there was one in the last minute. */
function latencyLines(latencies: LatencyReports): string[] {
  return (Object.entries(latencies) as [keyof LatencyReports, LatencyReport | null][]).flatMap(([kind, latency]) => {
    const recent = latency?.lastMinute ?? null;
    if (recent === null) return [];
    const { p50Seconds, p99Seconds, p999Seconds, maxSeconds } = recent;
    const [p50, p99, p999, max] = [p50Seconds, p99Seconds, p999Seconds, maxSeconds].map(formatLatency);
    return [row('latency', `${LATENCY_NAMES[kind].padEnd(23)}  p50 ${p50}  p99 ${p99}  p99.9 ${p999}  max ${max}`)];
  });
}

function loopLine({ eventLoop }: StatusReport): string[] {
  if (eventLoop === null) return [];
  const { longestStallLastMinuteSeconds, longestStallSeconds, waitedForProcessorLastMinuteSeconds: waitedSeconds } = eventLoop;
  const waited = waitedSeconds === null ? '' : `    waited for a processor ${formatLatency(waitedSeconds)}`;
  const ever = `${formatLatency(longestStallSeconds)} since the start`;
  return [row('loop', `longest stall ${formatLatency(longestStallLastMinuteSeconds)} in the last minute, ${ever}${waited}`)];
}

/** Enough of a random identifier to tell it from others. */
function shortened(regionId: string | null): string {
  return regionId === null ? '?' : regionId.slice(0, 8);
}

function clock(iso: string): string {
  return iso.slice(11, 23);
}
