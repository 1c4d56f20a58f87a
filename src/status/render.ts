/** The status as people read it: what the copy is, how records flow, how far it is behind (OPERATOR.md). */
import type { StatusReport } from '../model/status.ts';
import { formatBytes, formatSeconds } from '../model/units.ts';

/** Render the report in a few lines; `colours` marks what needs attention. */
export function renderStatus(report: StatusReport, colours: boolean): string {
  const paint = (code: number, text: string): string => (colours ? `\u001B[${code}m${text}\u001B[39m` : text);
  const lines = [headline(report, paint), ...dataLines(report), ...flowLines(report)];
  if (report.mode !== 'none') lines.push(behindLine(report));
  lines.push(...(report.role === 'primary' ? primaryLines(report) : secondaryLines(report)));
  if (report.reason !== null) lines.push(row('because', paint(33, report.reason)));
  if (report.nbd !== null) lines.push(row('nbd', `${report.nbd.addresses.join(', ')}   clients ${report.nbd.connections}`));
  return `${lines.join('\n')}\n`;
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(9)} ${text}`;
}

function headline(report: StatusReport, paint: (code: number, text: string) => string): string {
  const good = report.state === 'replicating' || report.state === 'promoted';
  const state = paint(good ? 32 : report.state === 'failed' || report.state === 'superseded' ? 31 : 33, report.state);
  const parts = [`group ${report.group}`, `role ${report.role}`, `generation ${report.generation}`, `state ${state}`];
  if (report.mode !== 'none') parts.push(`mode ${report.mode}`, recoveryPoint(report, paint));
  return parts.join('  ');
}

function recoveryPoint(report: StatusReport, paint: (code: number, text: string) => string): string {
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

function clock(iso: string): string {
  return iso.slice(11, 23);
}
