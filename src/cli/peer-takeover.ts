/** A running peer takes its secondary's place: asked over its control socket, in its own process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../model/limits.ts';
import type { Peer } from '../peer/peer.ts';
import type { Log } from '../status/log.ts';
import { previewTakeover } from '../takeover/preview-takeover.ts';
import { takeOver, type TakeoverReport } from '../takeover/take-over.ts';
import { judgeOpenRegion } from '../takeover/held-region.ts';
import { secondaryConnected } from '../takeover/takeover-errors.ts';
import { takeoverPaths } from '../takeover/taken-over-options.ts';
import type { PeerConfig } from './config/host-config.ts';
import { takenOverHost, takeoverOptions, type TakeoverAsked } from './host-options.ts';
import type { WhileStopped } from './start-service.ts';

const SILENT_MS = 4 * LIMITS.keepAliveMs;
const LOOK_MS = 50;

export interface PeerTakeover {
  readonly config: PeerConfig;
  readonly log: Log;
  readonly asked: TakeoverAsked & { readonly dryRun: boolean };
  readonly whileStopped: WhileStopped;
}

/** What `farshore takeover` sends. */
export function askedOf(body: Readonly<Record<string, unknown>>): PeerTakeover['asked'] {
  return { fenced: body['fenced'] === true, force: body['force'] === true, dryRun: body['dryRun'] === true };
}

/** @throws RefusedError ERR_SECONDARY_CONNECTED; what `takeOver` throws */
export async function takeOverFrom(peer: Peer, { config, log, asked, whileStopped }: PeerTakeover): Promise<TakeoverReport> {
  const host = takenOverHost(config, log);
  takeoverPaths(host);
  if (asked.dryRun) return previewRunning(peer, { config, log, asked });
  if (!(await isSilent(peer))) throw secondaryConnected();
  return whileStopped('taking the place of the secondary: the log says how far it is', () => takeOver(takeoverOptions(config, log, asked)));
}

/** A secondary that has just lost its power still seems to be connected: it is waited for until it would have said something. */
async function isSilent(peer: Peer): Promise<boolean> {
  const deadline = performance.now() + SILENT_MS;
  while (peer.isConnected && performance.now() < deadline) await sleep(LOOK_MS);
  return !peer.isConnected;
}

async function previewRunning(peer: Peer, { config, log, asked }: Omit<PeerTakeover, 'whileStopped'>): Promise<TakeoverReport> {
  const { disk, takeover } = takenOverHost(config, log);
  const { state, region } = peer;
  const judged = region === null ? null : judgeOpenRegion(region, state.region?.lost.length ?? 0, asked.force);
  if (judged?.refusal != null) throw judged.refusal;
  const report = await previewTakeover({
    disk,
    takeover,
    state,
    region,
    segments: () => region?.segments() ?? [],
    warning: judged?.warning ?? null,
    fenced: asked.fenced,
  });
  if (!peer.isConnected) return report;
  return { ...report, lines: ['would refuse as long as the secondary is connected to this peer, which it is', ...report.lines] };
}
