/** The status report of a secondary, before and after its promotion (OPERATOR.md). */
import { formatAddress } from '../model/addresses.ts';
import { idText, NO_LATENCIES, type HostStatus, type LatencyReports, type StatusReport } from '../model/status.ts';
import type { SecondaryLinks } from './secondary-links.ts';
import type { Secondary } from './secondary.ts';

export const ACKNOWLEDGED_MISSING = 'acknowledged numbers missing';
/** Rows of the handshake's table after which only a resync brings the copy level again. */
const RESYNC_REFUSALS: ReadonlySet<string> = new Set(['primary standalone', ACKNOWLEDGED_MISSING]);

/** Build the report from what the running secondary knows; cheap enough to be asked every second. */
export function secondaryStatus(secondary: Secondary): StatusReport {
  const { replica, links, state, options, heads } = secondary;
  const positions = replica?.machine.positions() ?? null;
  const destaged = { dataSet: positions?.destaged ?? null, sequence: positions?.sequence.destaged ?? null };
  const linked = (links?.openLinks.length ?? 0) > 0;
  const behind = heads.behind(destaged, linked, Date.now());
  const { state: status, reason } = stateOf(secondary, linked, behind.seconds);
  const cut = heads.destagedCut;
  const peer = secondary.mirror?.mirror.report(replica?.machine.exposed ?? 0) ?? null;
  return {
    role: state.role,
    group: options.group,
    groupId: state.groupId,
    generation: state.generations.at(-1)?.number ?? 0,
    generations: state.generations,
    stream: state.stream,
    session: secondary.session,
    state: status,
    reason,
    mode: state.condition === 'promoted' ? 'none' : peer?.up === true ? 'write-back' : 'write-through',
    volumes: options.volumes.map(({ name, vlun, sizeBytes, path, store }) => ({ name, vlun, sizeBytes, path, store })),
    dataSets: {
      open: null,
      sent: null,
      received: idText(positions?.received ?? null),
      durable: idText(positions?.durable ?? null),
      complete: idText(positions?.complete ?? null),
      destaged: idText(destaged.dataSet),
      acknowledged: null,
    },
    sequence: {
      open: idText(heads.known?.head.sequence ?? null),
      sent: null,
      received: idText(positions?.sequence.received ?? null),
      durable: idText(positions?.sequence.durable ?? null),
      complete: idText(positions?.sequence.complete ?? null),
      destaged: idText(destaged.sequence),
      acknowledged: null,
    },
    consistentAt: consistentAt(secondary, destaged.dataSet),
    behind: { ...behind, etaSeconds: secondary.rate.etaSeconds(behind.bytes) },
    objectiveSeconds: options.objectiveMs / 1000,
    journals: {
      slots: options.journals.geometry.slots,
      ...(replica?.machine.activity() ?? { active: 0, partial: 0 }),
      failed: replica?.journalFailures ?? 0,
    },
    links: linkReports(links),
    peer,
    nvram: null,
    rejects: (replica?.machine.counters.rejects ?? 0) + (links?.checksumRejects ?? 0),
    duplicates: replica?.machine.counters.duplicates ?? 0,
    resends: 0,
    lastCut: cut === null ? null : { dataSet: String(cut.dataSet), reason: cut.reason, time: new Date(cut.timeMs).toISOString() },
    backlog: null,
    nbd:
      secondary.nbd === null
        ? null
        : { addresses: secondary.nbd.addresses().map(formatAddress), connections: secondary.application?.connections ?? 0 },
    latencies: latencyReports(secondary),
    eventLoop: null,
    statusPage: null,
    replication: null,
    divergedFrom: idText(state.divergedFrom?.dataSet ?? null),
    lastRefusal: links?.lastRefusal ?? null,
    pid: process.pid,
    uptimeSeconds: (Date.now() - secondary.startedAtMs) / 1000,
  };
}

function latencyReports({ ring, replica }: Secondary): LatencyReports {
  const nowMs = performance.now();
  return {
    ...NO_LATENCIES,
    journalCommit: ring?.commitLatency.report(nowMs) ?? null,
    destage: replica?.destageLatency.report(nowMs) ?? null,
  };
}

function linkReports(links: SecondaryLinks | null): StatusReport['links'] {
  const open = new Set(links?.openLinks ?? []);
  return (links?.dialer.paths ?? []).map(({ address, link, lastError }) => ({
    address,
    up: link !== null && open.has(link),
    error: lastError,
    sentBytes: link?.sentBytes ?? 0,
    receivedBytes: link?.receivedBytes ?? 0,
  }));
}

function consistentAt(secondary: Secondary, destaged: number | null): StatusReport['consistentAt'] {
  const { state, heads } = secondary;
  const dataSet = state.condition === 'promoted' ? (state.divergedFrom?.dataSet ?? null) : destaged;
  if (dataSet === null) return null;
  const cut = heads.destagedCut?.dataSet === dataSet ? heads.destagedCut : null;
  return { dataSet: String(dataSet), reason: cut?.reason ?? null, time: cut === null ? null : new Date(cut.timeMs).toISOString() };
}

function stateOf(secondary: Secondary, linked: boolean, behindSeconds: number): { state: HostStatus; reason: string | null } {
  const { phase, links, options } = secondary;
  const isHeldBack = secondary.storage?.lease?.mayWrite() === false;
  const heldBack = 'nothing is written to the shared storage until the host epoch there can be read again';
  if (phase !== 'replicating') return { state: phase, reason: secondary.reason ?? (phase === 'promoting' && isHeldBack ? heldBack : null) };
  if (isHeldBack) return { state: 'degraded', reason: heldBack };
  if (!linked) {
    const errors = links?.dialer.paths.map((path) => path.lastError).filter((error) => error !== null) ?? [];
    const reason = links?.lastRefusal ?? errors[0] ?? 'no link to the primary is up yet';
    if (RESYNC_REFUSALS.has(links?.lastRefusalLabel ?? '')) return { state: 'resync-needed', reason };
    return { state: links?.primarySession == null ? 'connecting' : 'disconnected', reason };
  }
  if (behindSeconds * 1000 > options.objectiveMs)
    return {
      state: 'degraded',
      reason: `the copy is ${behindSeconds.toFixed(1)} s behind, the objective is ${options.objectiveMs / 1000} s`,
    };
  return { state: 'replicating', reason: null };
}
