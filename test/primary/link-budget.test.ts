/** A link is handed what its socket can take soon, and no more: the rest waits where any link can take it (I11). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import type { NotedSocket } from '../support/noted-socket.ts';
import { primaryDisk, PrimaryHost } from '../support/primary-host.ts';
import { NotedRequest } from '../support/primary-volume.ts';
import { until } from '../support/until.ts';

const KiB = 1024;
const WRITE_BYTES = 256 * KiB;
const WRITES = 32;
const GEOMETRY = { slots: 64, slotBytes: KiB * KiB, capacityBytes: 1_000_000, recordsMax: 1000 };

/** Takes nothing from this host until it is told to. */
function clog(socket: NotedSocket): { readonly givenBytes: number; take(): void } {
  const waiting: (() => void)[] = [];
  let givenBytes = 0;
  const send = socket.send.bind(socket);
  socket.send = (bytes, options, done) => {
    send(bytes, options);
    socket.bufferedAmount += bytes.length;
    givenBytes += bytes.length;
    if (done !== undefined) waiting.push(done);
  };
  return {
    get givenBytes() {
      return givenBytes;
    },
    take: () => {
      socket.bufferedAmount = 0;
      for (const done of waiting.splice(0)) done();
    },
  };
}

for (const [how, requestsPerTurn] of [
  ['many writes in one turn', WRITES],
  ['one write in a turn', 1],
] as const) {
  test(`${how}: the socket holds its limit, and gets the rest as it goes on`, async () => {
    const cutPolicy = { minAgeMs: 0, maxAgeMs: 60_000, maxSizeBytes: 512 * KiB, recordsMax: 1000 };
    const host = await PrimaryHost.start(await primaryDisk(), { backlogLimitBytes: 64 * KiB * KiB, cutPolicy });
    try {
      const { groupId, generations, stream } = host.primary.state;
      const socket = host.agreed({ groupId, generations, stream, session: '00000000000000e0', geometry: GEOMETRY });
      const gate = clog(socket);
      const requests = Array.from({ length: WRITES }, () => new NotedRequest({ offset: 0, lengthBytes: WRITE_BYTES, value: 7 }));
      for (let index = 0; index < WRITES; index += requestsPerTurn) {
        host.primary.application?.submit(requests.slice(index, index + requestsPerTurn));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until('all are answered', () => requests.every(({ answer }) => answer === 0));
      await until('something is sent', () => socket.bufferedAmount > 0);
      const heldMax = LIMITS.linkBufferedBytesMax + WRITE_BYTES + KiB;
      let takes = 0;
      for (; gate.givenBytes < WRITES * WRITE_BYTES; takes += 1) {
        assert.ok(socket.bufferedAmount <= heldMax, `${socket.bufferedAmount} bytes wait in the socket`);
        const before = gate.givenBytes;
        gate.take();
        await until('more is sent', () => gate.givenBytes > before);
      }
      assert.ok(takes >= 3, `${takes} times it took what waited`);
    } finally {
      await host.end();
    }
  });
}

test.run();
