/** The status report of a primary (OPERATOR.md). */
import { idText, NO_LATENCIES, type HostStatus, type LatencyReports, type StatusReport } from '../model/status.ts';
import { wallClockMs, type PositionHistory } from './position-history.ts';
import type { PrimaryLinks } from './primary-links.ts';
import type { Primary } from './primary.ts';

/** Build the report from what the running primary knows; cheap enough to be asked every second. */
export function primaryStatus(primary: Primary): StatusReport {
  const { order, links, state, options } = primary;
  const positions = order?.machine.positions() ?? null;
  const far = links?.far ?? { received: null, durable: null, complete: null, destaged: null, destagedSequence: null };
  const head = order?.machine.head(Date.now()) ?? null;
  const behind = (head === null ? null : order?.positions.behind(head)) ?? { dataSets: 0, bytes: 0, seconds: 0 };
  const { state: status, reason } = stateOf(primary, behind.seconds);
  return {
    role: 'primary',
    group: options.group,
    groupId: state.groupId,
    generation: state.generations.at(-1)?.number ?? 0,
    generations: state.generations,
    stream: state.stream,
    session: primary.session,
    state: status,
    reason,
    mode: order === null ? 'none' : 'write-through',
    volumes: options.volumes.map(({ name, vlun, sizeBytes, path, store }) => ({ name, vlun, sizeBytes, path, store })),
    dataSets: {
      open: idText(positions?.open ?? null),
      sent: idText(positions?.sent ?? null),
      received: idText(far.received),
      durable: idText(far.durable),
      complete: idText(far.complete),
      destaged: idText(far.destaged),
      acknowledged: idText(positions?.acknowledged ?? null),
    },
    sequence: {
      open: idText(head === null || head.sequence < 0 ? null : head.sequence),
      sent: idText(positions?.sequence.sent ?? null),
      received: null,
      durable: null,
      complete: null,
      destaged: idText(far.destagedSequence),
      acknowledged: idText(positions?.sequence.acknowledged ?? null),
    },
    consistentAt: far.destaged === null ? null : { dataSet: String(far.destaged), reason: null, time: null },
    behind: { ...behind, etaSeconds: primary.rate.etaSeconds(behind.bytes) },
    objectiveSeconds: options.objectiveMs / 1000,
    journals: { slots: 0, active: 0, partial: 0, failed: 0 },
    links: linkReports(links),
    peer: null,
    nvram: null,
    rejects: order?.machine.counters.rejects ?? 0,
    duplicates: 0,
    resends: order?.machine.counters.recordsResent ?? 0,
    lastCut:
      order?.lastCut == null
        ? null
        : { dataSet: String(order.lastCut.dataSet), reason: order.lastCut.reason, time: new Date(order.lastCut.timeMs).toISOString() },
    backlog:
      order === null
        ? null
        : { bytes: order.machine.unacknowledgedBytes, limitBytes: options.backlogLimitBytes, throttledSeconds: primary.throttling.seconds },
    nbd: primary.nbd === null ? null : { addresses: primary.addresses().nbd, connections: primary.application?.connections ?? 0 },
    latencies: order === null ? NO_LATENCIES : latencyReports(order.positions),
    eventLoop: null,
    statusPage: null,
    replication: primary.linkServer === null ? null : { addresses: primary.addresses().replication },
    divergedFrom: idText(state.divergedFrom?.dataSet ?? null),
    lastRefusal: links?.lastRefusal ?? null,
    pid: process.pid,
    uptimeSeconds: (Date.now() - primary.startedAtMs) / 1000,
  };
}

function latencyReports({ acknowledgements, recoveryPoint, recoveryPointFromCut }: PositionHistory): LatencyReports {
  return {
    ...NO_LATENCIES,
    recordAcknowledged: acknowledgements.histogram.report(performance.now()),
    recoveryPoint: recoveryPoint.report(wallClockMs()),
    recoveryPointFromCut: recoveryPointFromCut.report(wallClockMs()),
  };
}

/** Open links, then lost ones that nothing has replaced: a lost path is seen on this side too. */
function linkReports(links: PrimaryLinks | null): StatusReport['links'] {
  const open = (links?.openLinks ?? []).map(({ address, sentBytes, receivedBytes }) => ({
    address,
    up: true,
    error: null,
    sentBytes,
    receivedBytes,
  }));
  const lost = (links?.lostLinks ?? []).map(({ address, error }) => ({ address, up: false, error, sentBytes: 0, receivedBytes: 0 }));
  return [...open, ...lost];
}

function stateOf(primary: Primary, behindSeconds: number): { state: HostStatus; reason: string | null } {
  const { phase, order, links, state, options } = primary;
  if (phase !== 'serving' || order === null || links === null) {
    const named: HostStatus = phase === 'serving' ? 'starting' : phase === 'stopping' ? 'stopped' : phase;
    return { state: named, reason: state.reason };
  }
  const { throttle } = order.machine;
  if (throttle !== null) {
    const why =
      throttle === 'backlog'
        ? `the backlog limit of ${options.backlogLimitBytes} unacknowledged bytes is reached`
        : 'the open data set is full and the window is shut';
    const link = links.openLinks.length === 0 ? '; no secondary is connected' : '';
    return { state: 'throttled', reason: `writes wait because ${why}${link}` };
  }
  if (links.openLinks.length === 0)
    return { state: links.session === null ? 'connecting' : 'disconnected', reason: links.lastRefusal ?? 'no secondary is connected' };
  if (behindSeconds * 1000 > options.objectiveMs)
    return {
      state: 'degraded',
      reason: `the copy is ${behindSeconds.toFixed(1)} s behind, the objective is ${options.objectiveMs / 1000} s`,
    };
  return { state: 'replicating', reason: null };
}
