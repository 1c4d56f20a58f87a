/** Looks at every message as it leaves a host, and judges what it promises at that moment. */
import { decodeMessage, isRecordsMessage } from '../record/wire.ts';
import { judgeAcknowledgement, judgeAgreement, judgeHeld } from './held-oracle.ts';
import type { PrimaryHost } from './primary-host.ts';
import type { SecondaryHost } from './secondary-host.ts';
import type { SimulatedSocket } from './socket.ts';
import type { Life } from './virtual-time.ts';
import { violated } from './violation.ts';

export interface MessageOracleOptions {
  readonly primaryOf: (life: Life) => PrimaryHost | null;
  readonly secondaryOf: (life: Life) => SecondaryHost | null;
}

export function judgeMessage(options: MessageOracleOptions, from: SimulatedSocket, bytes: Uint8Array): void {
  if (isRecordsMessage(bytes)) return;
  const message = decodeMessage(bytes);
  if (message.kind === 'violation') violated('protocol', `a host sent a message that breaks the protocol: ${message.violation}`);
  const secondary = options.secondaryOf(from.life);
  if (secondary === null) return;
  switch (message.kind) {
    case 'acknowledge':
      return judgeAcknowledgement(secondary, message.ranges);
    case 'reject': {
      secondary.around.counters.rejects += 1;
      const origin = secondary.secondary?.replica?.machine.origin.dataSet ?? 0;
      const slots = secondary.around.setting.geometry.slots;
      // The window may have moved since the reject was decided, by at most what was told with it.
      if (message.reason === 'window' && message.dataSet < origin - slots) violated('I6 window', `data set ${message.dataSet} is rejected; the window begins at ${origin}`);
      if (message.reason === 'window' && message.dataSet <= message.windowHigh - slots) violated('I6 window', `data set ${message.dataSet} is rejected below the window that ends at ${message.windowHigh}`);
      if (message.reason === 'checksum') violated('I9 end to end', `record ${message.sequence} was rejected for its checksum, and nothing was damaged`);
      return;
    }
    case 'hello':
    case 'progress':
      // A copy that waits for its first agreement is judged when it agrees.
      if (message.kind === 'progress') judgeHeld(secondary, message.held);
      return;
    case 'ready': {
      const primary = from.peer === null ? null : options.primaryOf(from.peer.life);
      if (primary !== null && !primary.life.dead) judgeAgreement(primary, secondary);
      return;
    }
    default:
  }
}
