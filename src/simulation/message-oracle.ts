/** Looks at every message as it leaves a host, and judges what it promises at that moment. */
import { MESSAGE_HEADER, MESSAGE_KIND, offsetsOf } from '../record/layout.ts';
import { decodeMessage } from '../record/wire.ts';
import { judgeAcknowledgement, judgeAgreement, judgeHeld } from './held-oracle.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { SecondaryHost } from './secondary-host.ts';
import { durableWatermark } from './storage-oracle.ts';
import type { SimulatedSocket } from './socket.ts';
import type { Life } from './virtual-time.ts';
import { violated } from './violation.ts';

const MESSAGE_KIND_AT = offsetsOf(MESSAGE_HEADER).kind;
const JUDGED: ReadonlySet<number> = new Set([MESSAGE_KIND.acknowledge, MESSAGE_KIND.reject, MESSAGE_KIND.progress, MESSAGE_KIND.head]);

export interface MessageOracleOptions {
  readonly primaryOf: (life: Life) => PrimaryHost | null;
  readonly secondaryOf: (life: Life) => SecondaryHost | null;
}

export function judgeMessage(options: MessageOracleOptions, from: SimulatedSocket, bytes: Uint8Array): void {
  // Handshakes are long, and what they tell is judged when both sides have agreed.
  if (!JUDGED.has(bytes[MESSAGE_KIND_AT] ?? 0)) return;
  const message = decodeMessage(bytes);
  if (message.kind === 'violation') violated('protocol', `a host sent a message that breaks the protocol: ${message.violation}`);
  if (message.kind === 'head') return judgeFirstHead(options, from);
  const secondary = options.secondaryOf(from.life);
  if (secondary === null) return;
  if ('windowHigh' in message) judgeWindow(secondary, message.windowHigh);
  switch (message.kind) {
    case 'acknowledge':
      return judgeAcknowledgement(secondary, message.ranges);
    case 'reject': {
      secondary.around.counters.rejects += 1;
      const origin = secondary.secondary?.replica?.machine.origin.dataSet ?? 0;
      const slots = secondary.around.setting.geometry.slots;
      // The window may have moved since the reject was decided, by at most what was told with it.
      if (message.reason === 'window' && message.dataSet < origin - slots)
        violated('I6 window', `data set ${message.dataSet} is rejected; the window begins at ${origin}`);
      if (message.reason === 'window' && message.dataSet <= message.windowHigh - slots)
        violated('I6 window', `data set ${message.dataSet} is rejected below the window that ends at ${message.windowHigh}`);
      if (message.reason === 'checksum' && secondary.around.network.counters.corrupted === 0)
        violated('I9 end to end', `record ${message.sequence} was rejected for its checksum, and nothing was damaged`);
      return;
    }
    case 'progress':
      return judgeHeld(secondary, message.held);
    default:
  }
}

/** The window moves only behind a durable watermark: a data set above it would take a slot that is not free. @invariant I5 I6 */
function judgeWindow(host: SecondaryHost, windowHigh: number): void {
  const { slots } = host.around.setting.geometry;
  const watermark = durableWatermark(host.disk);
  if (windowHigh - slots > watermark)
    violated('I5 retire', `the window that ends at ${windowHigh} is told, ${slots} slots above watermark ${watermark}`);
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
