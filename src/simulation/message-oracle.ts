/** Looks at every message as it leaves a host, and judges what it promises at that moment. */
import { MESSAGE_HEADER, MESSAGE_KIND, offsetsOf } from '../record/layout.ts';
import { decodeMessage, type WireMessage } from '../record/wire.ts';
import { hostStatePath } from '../state/host-state.ts';
import { judgeAcknowledgement, judgeAgreement, judgeDurable, judgeHeld, prunePromises } from './held-oracle.ts';
import type { SimulatedHost } from './host.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { STATE_DIRECTORY } from './setting.ts';
import { durableWatermark } from './storage-oracle.ts';
import type { SimulatedSocket } from './socket.ts';
import type { Life } from './virtual-time.ts';
import { violated } from './violation.ts';

const MESSAGE_KIND_AT = offsetsOf(MESSAGE_HEADER).kind;
const JUDGED: ReadonlySet<number> = new Set([
  MESSAGE_KIND.hello,
  MESSAGE_KIND.acknowledge,
  MESSAGE_KIND.reject,
  MESSAGE_KIND.progress,
  MESSAGE_KIND.head,
  MESSAGE_KIND.ready,
  MESSAGE_KIND.superseded,
  MESSAGE_KIND.supersededAcknowledged,
]);

type Positions = Extract<WireMessage, { kind: 'acknowledge' }>['positions'];

export interface MessageOracleOptions {
  readonly primaryOf: (life: Life) => PrimaryHost | null;
  readonly secondaryOf: (life: Life) => SecondaryHost | null;
}

export function judgeMessage(options: MessageOracleOptions, from: SimulatedSocket, bytes: Uint8Array): void {
  // Handshakes are long, and what they tell is judged when both sides have agreed.
  if (!JUDGED.has(bytes[MESSAGE_KIND_AT] ?? 0)) return;
  if (bytes[MESSAGE_KIND_AT] === MESSAGE_KIND.hello) return judgeDial(options.secondaryOf(from.life));
  const message = decodeMessage(bytes);
  if (message.kind === 'violation') violated('protocol', `a host sent a message that breaks the protocol: ${message.violation}`);
  if (message.kind === 'head') return judgeFirstHead(options, from);
  if (message.kind === 'supersededAcknowledged') return judgeNoted(options.primaryOf(from.life), '"superseded"');
  const secondary = options.secondaryOf(from.life);
  if (secondary === null) return;
  if ('windowHigh' in message) judgeWindow(secondary, message.windowHigh);
  switch (message.kind) {
    case 'acknowledge':
      judgeAcknowledgement(secondary, message.ranges);
      return judgePositions(secondary, message.positions);
    case 'reject': {
      secondary.around.counters.rejects += 1;
      const origin = secondary.secondary?.replica?.machine.origin.dataSet ?? 0;
      const slots = secondary.around.setting.geometry.slots;
      // The window may have moved since the reject was decided, by at most what was told with it.
      if (message.reason === 'window' && message.dataSet < origin - slots)
        violated('I6 window', `data set ${message.dataSet} is rejected; the window begins at ${origin}`);
      if (message.reason === 'window' && message.dataSet <= message.windowHigh - slots)
        violated('I6 window', `data set ${message.dataSet} is rejected below the window that ends at ${message.windowHigh}`);
      if (message.reason === 'window' && secondary.around.network.counters.strays === 0 && !secondary.isImpostor)
        violated(
          'I6 window',
          `record ${message.sequence} of data set ${message.dataSet} was sent above the window that ends at ${message.windowHigh}`,
        );
      if (message.reason === 'checksum' && secondary.around.network.counters.corrupted === 0)
        violated('I9 end to end', `record ${message.sequence} was rejected for its checksum, and nothing was damaged`);
      return;
    }
    case 'superseded':
      return judgeNoted(secondary, '"promot');
    case 'ready':
      return judgeReady(secondary);
    case 'progress':
      // What a sync with another chain completes is held, and nobody goes on with it.
      if (secondary.secondary?.replica?.failed === true) return;
      judgeDestaged(secondary, message.destaged);
      secondary.promises.tellThrough(secondary.history.sets[message.destaged ?? -1]?.finalSequence ?? -1);
      return judgeHeld(secondary, message.held);
    default:
  }
}

/** A host that meets its primary has everything that was acknowledged; nothing of it is with the peer alone. @invariant I2 */
function judgeDial(host: SecondaryHost | null): void {
  if (host === null) return;
  prunePromises(host);
  const [missing] = host.promises.onlyPeer;
  if (missing !== undefined) violated('I2 ack', `number ${missing} was acknowledged, only the peer has it, and the host goes on without`);
}

/** The window moves only behind a durable watermark: a data set above it would take a slot that is not free. @invariant I5 I6 */
function judgeWindow(host: SecondaryHost, windowHigh: number): void {
  const { slots } = host.around.setting.geometry;
  const watermark = durableWatermark(host.disk);
  if (windowHigh - slots > watermark)
    violated('I5 retire', `the window that ends at ${windowHigh} is told, ${slots} slots above watermark ${watermark}`);
}

/** What a secondary says of itself is never more than what its disk has. @invariant I1 I5 */
function judgePositions(host: SecondaryHost, { complete, destaged, destagedSequence }: Positions): void {
  judgeDestaged(host, destaged);
  const { history, promises } = host;
  if (destagedSequence !== (destaged === null ? null : history.sets[destaged]?.finalSequence))
    violated('I5 retire', `data set ${destaged} is told destaged with number ${destagedSequence}`);
  const from = Math.max(durableWatermark(host.disk), promises.storage.completeTold) + 1;
  for (const { records } of history.sets.slice(from, (complete ?? -1) + 1)) for (const record of records) judgeDurable(host, record);
  promises.storage.completeTold = Math.max(promises.storage.completeTold, complete ?? -1);
}

function judgeDestaged(host: SecondaryHost, destaged: number | null): void {
  const watermark = durableWatermark(host.disk);
  if ((destaged ?? -1) > watermark) violated('I5 retire', `data set ${destaged} is told destaged at watermark ${watermark}`);
}

/** The primary goes by what the hello said, which is still so. */
function judgeReady(host: SecondaryHost): void {
  judgeNoted(host, host.secondary?.state.groupId ?? 'a group');
  const replica = host.secondary?.replica ?? null;
  if (replica === null || host.isImpostor) return;
  judgeDestaged(host, replica.watermarkPoint?.dataSet ?? null);
  judgeHeld(host, replica.machine.held());
  host.promises.tellThrough(replica.watermarkPoint?.finalSequence ?? -1);
}

/** What a host says that it is, it stays after a power cut. @invariant I8 */
function judgeNoted(host: SimulatedHost | null, text: string): void {
  const state = host?.disk.image(hostStatePath(STATE_DIRECTORY), 'durable')?.bytes();
  if (state !== undefined && !Buffer.from(state).includes(text))
    violated('I8 generation', `${host?.name} says what its durable state does not: ${text}`);
}

const agreed = new WeakSet<SimulatedSocket>();

/** The first head on a link says that its primary takes the link as agreed. */
function judgeFirstHead(options: MessageOracleOptions, from: SimulatedSocket): void {
  if (agreed.has(from) || from.peer === null) return;
  agreed.add(from);
  const primary = options.primaryOf(from.life);
  const secondary = options.secondaryOf(from.peer.life);
  if (primary !== null && secondary !== null && !secondary.life.dead) judgeAgreement(primary, secondary);
}
